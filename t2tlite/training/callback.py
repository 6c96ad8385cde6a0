"""What happens between training steps: reports, evaluations, saves, stopping."""

from __future__ import annotations

import functools
import logging
import math
import time
from pathlib import Path
from typing import Any

import keras

from t2tlite.checkpoint import checkpoints, eval_log
from t2tlite.errors import DataError, Error
from t2tlite.training import curves, reports
from t2tlite.training.objective import Totals
from t2tlite.training.profile import Profiler
from t2tlite.training.setup import TrainingSetup

log = logging.getLogger(__name__)

# Seconds between updates of the live line, which costs a look at the device's numbers.
REPORT_SECONDS = 1.0
# The same in steps, where several machines train.
REPORT_STEPS = 10


def callbacks(watcher: Watcher, model: Any) -> Any:
    """Returns what `fit` calls: the watcher, which gets each step's logs as they are.

    Keras's list would wait for the numbers of every step, and so keep a TPU or GPU waiting for the
    next one.
    """

    class AsTheyAre(keras.callbacks.CallbackList):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            watcher.on_train_batch_end(batch, logs)

    return AsTheyAre([watcher], add_history=True, model=model)


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

    def __init__(self, place: TrainingSetup, optimizer: Any, output_dir: str, step: int):
        super().__init__()
        self.place = place
        self.schedule = place.schedule
        self.optimizer = optimizer
        self.output_dir = output_dir
        self.step = step
        self.saved = step
        self.stop_asked = ""
        self._first = step
        chief = place.device.is_chief
        self._profiler = Profiler(output_dir) if self.schedule.profile and chief else None
        self._saver = checkpoints.Saver(output_dir, self.schedule.keep_checkpoints)
        # An evaluation after the restored step belongs to a run that was lost.
        rows = eval_log.read_evaluations(output_dir)
        self._evaluations = [row for row in rows if row["step"] <= step]

    def on_train_begin(self, logs: Any = None) -> None:
        self._started = self._last_save = time.monotonic()
        self._begin_window()

    @functools.cached_property
    def _line(self) -> reports.LiveLine:
        return reports.LiveLine(self.step, self.schedule.train_steps)

    @functools.cached_property
    def _events(self) -> reports.Events:
        return reports.Events(self.output_dir, self.place.run.problem)

    @property
    def _is_chief(self) -> bool:
        return self.place.device.is_chief

    def catch_up(self) -> bool:
        """Evaluates the restored step if the run before was lost before it could.

        Returns:
          Whether the evaluations so far leave something to train.
        """
        done = [row["step"] for row in self._evaluations]
        if self.step and self._due() and self.step not in done and self.schedule.evaluate:
            self._evaluate()
        # The run before may have been lost before it could, too.
        self._mark_best()
        return not self.schedule.early_stop(self._evaluations)

    def _begin_window(self) -> None:
        self._window_time, self._window_step = time.monotonic(), self.step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step = self._first + batch + 1
        if self._profiler:
            self._profiler.on_step(batch + 1)
        last, due = self.step >= self.schedule.train_steps, self._due()
        now = time.monotonic()
        if self.step == self._first + 1:
            self._line.say(f"first step done after {now - self._started:.0f} s")
        event = self.step % reports.EVENT_STEPS == 0
        stop = self._agreed_to_stop(logs)
        report = due or event or stop or self._time_to_report(now)
        seconds = self.schedule.save_seconds
        save = report and now - self._last_save >= seconds if seconds else due
        # A report comes before a save: it finds out whether the loss is finite.
        if report:
            self._report(logs, event, force=due or stop)
        if save or last or stop:
            self._save()
        if stop:
            self.model.stop_training = True
            self._saver.wait()
            by = self.stop_asked or "another machine"
            self._line.say(f"stopped by {by} at step {self.step}, saved; the same command goes on")
        elif due and self.schedule.evaluate:
            self._evaluate()
            reason = self.schedule.early_stop(self._evaluations)
            if reason:
                self._line.say(f"stopping early: {reason}")
                self._save()
                self._ask_all_to_stop("early stopping")

    def _time_to_report(self, now: float) -> bool:
        """Several machines report after the same steps, as starting new sums takes all of them."""
        if self.place.device.workers > 1:
            return self.step % REPORT_STEPS == 0
        return now - self._window_time >= REPORT_SECONDS

    def _due(self) -> bool:
        """Whether this step is one after which to evaluate."""
        last = self.step >= self.schedule.train_steps
        return last or self.step % self.schedule.eval_frequency == 0

    def _ask_all_to_stop(self, why: str) -> None:
        if self.place.device.workers == 1:
            self.model.stop_training = True
        else:
            self.stop_asked = why

    def _agreed_to_stop(self, logs: Any) -> bool:
        """Whether to stop now: several machines must do so after the same step."""
        device = self.place.device
        if device.workers == 1:
            return bool(self.stop_asked)
        if device.backend == "jax":
            now = self.step % REPORT_STEPS == 0
            return now and device.any_worker(bool(self.stop_asked))
        if self.stop_asked:
            self.model.stop_asked.assign(1.0)
        return Totals.read(logs)["stops"] > 0

    def _report(self, logs: Any, event: bool, force: bool) -> None:
        self._sync()
        self._saver.check()
        totals = Totals.read(logs)
        tokens = totals["tokens"]
        loss = totals["loss"] / max(tokens, 1.0)
        if not math.isfinite(loss):
            raise self._not_finite(self._window_step + int(totals["finite_steps"]) + 1)
        seconds = max(time.monotonic() - self._window_time, 1e-9)
        values = {
            "loss": loss,
            "tokens_per_second": tokens / seconds,
            "steps_per_second": (self.step - self._window_step) / seconds,
            "learning_rate": float(self.optimizer.learning_rate),
            "padded_share": 1.0 - tokens / max(totals["slots"], 1.0),
        }
        if self.place.device.strategy is None:
            waited = totals["waited"] / self.place.device.workers
            values["data_wait_share"] = min(waited / seconds, 1.0)
        self._line.update(self.step, values, force)
        if self._is_chief and (event or force):
            self._events.train(self.step, values)
        self.model.reset_metrics()
        self._begin_window()

    def _not_finite(self, step: int) -> DataError:
        """Keeps the batch that made the loss not finite, and returns the error that tells it."""
        self._line.close()
        path = Path(self.output_dir) / f"not_finite-{step}.jsonl"
        try:
            self.place.write_batch(path, step)
            kept = f"its batch, from {self.place.data_dir}, is in {path}"
        except Error as error:
            kept = f"its batch couldn't be kept: {error}"
        saved = checkpoints.steps(self.output_dir)
        newest = f"the newest checkpoint is of step {saved[-1]}" if saved else "none was saved yet"
        return DataError(
            f"the loss is not finite at step {step}; {kept}; {newest}: lower "
            f"learning_rate_constant, raise learning_rate_warmup_steps or set clip_grad_norm=1, "
            f"and run the command again"
        )

    def _sync(self) -> None:
        """Brings the numbers of a JAX training step back into the variables."""
        sync = getattr(self.model, "jax_state_sync", None)
        if sync is not None:
            sync()

    def _save(self) -> None:
        if self.saved == self.step and self.step != 0:
            return
        self.saved, self._last_save = self.step, time.monotonic()
        if self._is_chief:
            self._sync()
            self._saver.save(self.step, self.place.network, self.optimizer)

    def _evaluate(self) -> None:
        if not self.place.device.evaluates:
            return
        self._sync()
        with checkpoints.averaged(self.place.network, self.optimizer):
            metrics = self.place.evaluate()
        self._evaluations.append({"step": self.step, **metrics})
        if self._is_chief:
            eval_log.write_evaluations(self.output_dir, self._evaluations)
            self._events.evaluation(self.step, metrics)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self._line.say(f"step {self.step} evaluation: {shown}")
        self._mark_best()
        self._begin_window()

    def _mark_best(self) -> None:
        """Keeps the best of the checkpoints that were evaluated and are still there."""
        if not self._is_chief:
            return
        there = {self.step, *checkpoints.steps(self.output_dir)}
        rows = [row for row in self._evaluations if row["step"] in there]
        best = eval_log.best_row(rows, self.schedule.stop_metric, self.schedule.stop_minimize)
        if best is None:
            return
        if rows[best]["step"] == self.step:
            # With --save_checkpoints_secs not each step that is evaluated is saved.
            self._save()
        self._saver.mark_best(rows[best]["step"])

    def on_train_end(self, logs: Any = None) -> None:
        self._saver.wait()

    def close(self) -> None:
        """Ends what runs beside training, also after an error; waits for the last checkpoint."""
        self._line.close()
        if self._profiler:
            self._profiler.close()
        self._saver.close()

    def summarize(self) -> None:
        """Shows all evaluations of the run and draws its curves."""
        if self._is_chief:
            schedule = self.schedule
            rows = self._evaluations
            reports.evaluation_table(rows, schedule.stop_metric, schedule.stop_minimize)
            if self._saver.best is not None:
                log.info("--checkpoint_path=best is step %d", self._saver.best)
            drawn = curves.draw(self.output_dir)
            if drawn:
                log.info("curves of loss and metrics: %s", drawn)
