"""What happens between training steps: reports, evaluations, saves, stopping."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import keras

from t2tlite.run import checkpoints, reports
from t2tlite.run.training import Workplace, early_stop, not_finite

log = logging.getLogger(__name__)

# Seconds between updates of the live line, which costs a look at the device's numbers.
REPORT_SECONDS = 1.0


class Watcher(keras.callbacks.Callback):
    """Keras's callback for a training run.

    Args:
      place: problem, data and network.
      optimizer: for its state and learning rate.
      output_dir: of the run.
      step: steps done before.

    Attributes:
      stop_asked: name of the signal that asked to stop, or "".
    """

    def __init__(self, place: Workplace, optimizer: Any, output_dir: str, step: int):
        super().__init__()
        self.place = place
        self.schedule = place.schedule
        self.optimizer = optimizer
        self.output_dir = output_dir
        self.step = step
        self.saved = step
        self.stop_asked = ""
        self._first = step
        # An evaluation after the restored step belongs to a run that was lost.
        rows = reports.read_evaluations(output_dir)
        self._evaluations = [row for row in rows if row["step"] <= step]

    def on_train_begin(self, logs: Any = None) -> None:
        self._line = reports.LiveLine(self.step, self.schedule.train_steps)
        self._events = reports.Events(self.output_dir, self.place.run.problem)
        self._started = self._last_save = time.monotonic()
        self._begin_window()

    def _begin_window(self) -> None:
        self._window_time, self._window_step = time.monotonic(), self.step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step = self._first + batch + 1
        last = self.step >= self.schedule.train_steps
        due = self.step % self.schedule.eval_frequency == 0 or last
        now = time.monotonic()
        if self.step == self._first + 1:
            self._line.say(f"first step done after {now - self._started:.0f} s")
        seconds = self.schedule.save_seconds
        save = now - self._last_save >= seconds if seconds else due
        event = self.step % reports.EVENT_STEPS == 0
        if due or save or event or self.stop_asked or now - self._window_time >= REPORT_SECONDS:
            self._report(logs, event, force=due or bool(self.stop_asked))
        if save or last or self.stop_asked:
            self._save()
        if due and self.schedule.evaluate and not self.stop_asked:
            self._evaluate()
        if self.stop_asked:
            self.model.stop_training = True
            self._line.say(
                f"stopped by {self.stop_asked} at step {self.step}, saved; the same command goes on"
            )

    def _report(self, logs: Any, event: bool, force: bool) -> None:
        self._sync()
        tokens = float(logs["tokens"])
        loss = float(logs["loss_sum"]) / max(tokens, 1.0)
        if not math.isfinite(loss):
            self._line.close()
            raise not_finite(self.step)
        seconds = max(time.monotonic() - self._window_time, 1e-9)
        values = {
            "loss": loss,
            "tokens_per_second": tokens / seconds,
            "steps_per_second": (self.step - self._window_step) / seconds,
            "learning_rate": float(self.optimizer.learning_rate),
            "padded_share": 1.0 - tokens / max(float(logs["slots"]), 1.0),
        }
        self._line.update(self.step, values, force)
        if event or force:
            self._events.train(self.step, values)
        self.model.reset_metrics()
        self._begin_window()

    def _sync(self) -> None:
        """Brings the numbers of a JAX training step back into the variables."""
        sync = getattr(self.model, "jax_state_sync", None)
        if sync is not None:
            sync()

    def _save(self) -> None:
        if self.saved == self.step and self.step != 0:
            return
        self._sync()
        network, keep = self.place.network, self.schedule.keep_checkpoints
        checkpoints.save(self.output_dir, self.step, network, self.optimizer, keep)
        self.saved, self._last_save = self.step, time.monotonic()

    def _evaluate(self) -> None:
        self._sync()
        metrics = self.place.evaluate()
        self._evaluations.append({"step": self.step, **metrics})
        reports.write_evaluations(self.output_dir, self._evaluations)
        self._events.evaluation(self.step, metrics)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self._line.say(f"step {self.step} evaluation: {shown}")
        reason = early_stop(self.schedule, self._evaluations)
        if reason:
            self.model.stop_training = True
            self._save()
            self._line.say(f"stopping early: {reason}")
        self._begin_window()

    def on_train_end(self, logs: Any = None) -> None:
        self._line.close()
