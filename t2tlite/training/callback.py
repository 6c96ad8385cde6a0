"""What happens between training steps: report, save, evaluate, stop."""

from __future__ import annotations

import functools
import logging
import math
import time
from pathlib import Path
from typing import Any

import keras

from t2tlite.checkpoint import averages, checkpoints, eval_log, model_card
from t2tlite.errors import DataError, Error
from t2tlite.metrics import is_decoded, raw_metric, strip_problem
from t2tlite.training import reports
from t2tlite.training.agreement import make_agreement
from t2tlite.training.objective import Objective, Totals
from t2tlite.training.profile import Profiler
from t2tlite.training.setup import TrainingSetup

log = logging.getLogger(__name__)


class RawLogs(keras.callbacks.CallbackList):
    """Passes a step's logs on unconverted: Keras's conversion waits for the device every step."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


class TrainingCallback(keras.callbacks.Callback):
    """Keras's callback of a run; `on_train_batch_end` is the body of the training loop.

    Attributes:
      objective: the compiled model that `fit` trains.
      step: steps so far, those of earlier runs included.
      agreement: takes requests to stop.
    """

    def __init__(self, setup: TrainingSetup, objective: Objective, output_dir: str, step: int):
        super().__init__()
        self.setup = setup
        self.train_args = setup.train_args
        self.objective = objective
        self.output_dir = output_dir
        self.step = step
        self.agreement = make_agreement(setup.device, objective)
        self._first_step = self._saved_step = step
        self._is_chief = setup.device.is_chief
        profiles = self.train_args.profile and self._is_chief
        self._profiler = Profiler(output_dir) if profiles else None
        self._line = reports.LiveLine(step, self.train_args.train_steps)
        self._saver = checkpoints.Saver(output_dir, self.train_args.keep_checkpoints)
        # Later evaluations are of steps that a kill lost.
        rows = eval_log.read_evaluations(output_dir)
        self._evaluations = [row for row in rows if row["step"] <= step]
        self._needs = setup.run.explain_needs()

    @functools.cached_property
    def _events(self) -> reports.Events:
        return reports.Events(self.output_dir, self.setup.run.problem)

    def catch_up(self) -> bool:
        """Evaluates the restored step and marks the best, where a kill prevented it.

        Returns whether to train: False where an earlier run stopped early.
        """
        evaluated = [row["step"] for row in self._evaluations]
        if self.step and self._is_due() and self.step not in evaluated and self.train_args.evaluate:
            self._evaluate()
        self._mark_best()
        return not self.train_args.early_stop(self._evaluations)

    def on_train_begin(self, logs: Any = None) -> None:
        self._begin_time = self._save_time = time.monotonic()
        self._begin_window()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts the step, then reports, saves, evaluates and stops where it is time to."""
        self._count_step(batch)
        stop = self.agreement.agreed_to_stop(logs, self.step)
        due = self._is_due()
        report = stop or due or self._is_time_to_report()
        save = stop or (report and self._is_time_to_save(due))
        # A report checks that the loss is finite, so it comes before a save.
        if report:
            self._report(logs, force=stop or due)
        if save:
            self._save()
        # A run that must stop leaves its evaluation to the next run's `catch_up`.
        if due and self.train_args.evaluate and not stop:
            self._evaluate()
            self._stop_without_improvement()
        if stop:
            self._stop()

    def on_train_end(self, logs: Any = None) -> None:
        self._saver.wait()

    def _count_step(self, batch: int) -> None:
        self.step = self._first_step + batch + 1
        if self._profiler:
            self._profiler.on_step(batch + 1)
        if batch == 0:
            self._line.say(f"first step done after {time.monotonic() - self._begin_time:.0f} s")

    def _is_last(self) -> bool:
        return self.step >= self.train_args.train_steps

    def _is_event_step(self) -> bool:
        return self.step % reports.EVENT_STEPS == 0

    def _is_due(self) -> bool:
        """Whether to evaluate after this step and, without save_seconds, to save."""
        return self._is_last() or self.step % self.train_args.eval_frequency == 0

    def _is_time_to_report(self) -> bool:
        seconds = time.monotonic() - self._window_time
        return self._is_event_step() or self.agreement.time_to_report(self.step, seconds)

    def _is_time_to_save(self, due: bool) -> bool:
        if self.train_args.save_seconds and not self._is_last():
            return time.monotonic() - self._save_time >= self.train_args.save_seconds
        return due

    def _begin_window(self) -> None:
        """Starts the steps that the next report covers."""
        self._window_time, self._window_step = time.monotonic(), self.step

    def _report(self, logs: Any, force: bool) -> None:
        """Shows and records the steps since the last report.

        Raises:
          DataError: the loss is not finite.
        """
        self._sync()
        self._saver.check()
        totals = Totals.read(logs)
        tokens = totals["tokens"]
        loss = totals["loss"] / max(totals["weight"], 1e-30)
        if not math.isfinite(loss):
            raise self._not_finite_error(self._window_step + int(totals["finite_steps"]) + 1)
        seconds = max(time.monotonic() - self._window_time, 1e-9)
        values = {
            "loss": loss,
            "tokens_per_second": tokens / seconds,
            "steps_per_second": (self.step - self._window_step) / seconds,
            "learning_rate": float(self.objective.optimizer.learning_rate),
            "padded_share": 1.0 - tokens / max(totals["slots"], 1.0),
        }
        if self.setup.device.strategy is None:
            waited = totals["waited"] / self.setup.device.workers
            values["data_wait_share"] = min(waited / seconds, 1.0)
        shares = self.setup.training_batches.shares(self._window_step, self.step)
        self._line.update(self.step, values, force, shares)
        if self._is_chief and (force or self._is_event_step()):
            self._events.train(self.step, values, shares)
        self.objective.reset_metrics()
        self._begin_window()

    def _not_finite_error(self, step: int) -> DataError:
        """Writes the batch of a step whose loss is not finite, and returns the error."""
        self._line.close()
        path = Path(self.output_dir) / f"not_finite-{step}.jsonl"
        try:
            self.setup.write_batch(path, step)
            batch = f"its batch, from {self.setup.data_dir}, is in {path}"
        except Error as error:
            batch = f"its batch couldn't be written: {error}"
        saved = checkpoints.steps(self.output_dir)
        newest = f"the newest checkpoint is of step {saved[-1]}" if saved else "none was saved yet"
        return DataError(
            f"the loss is not finite at step {step}; {batch}; {newest}: lower "
            f"learning_rate_constant, raise learning_rate_warmup_steps or set clip_grad_norm=1, "
            f"and run the command again"
        )

    def _sync(self) -> None:
        """Copies the state of JAX's training loop back into the Keras variables."""
        if keras.backend.backend() == "jax":
            self.objective.jax_state_sync()

    def _save(self) -> None:
        """Saves this step, unless it is saved already."""
        if self._saved_step == self.step:
            return
        self._saved_step, self._save_time = self.step, time.monotonic()
        if self._is_chief:
            self._sync()
            self._saver.save(self.step, self.setup.network, self.objective.optimizer)
            self._tell_needs()

    def _tell_needs(self) -> None:
        """Says, once, what the model will need a plugin's code for."""
        for need in self._needs:
            self._line.say(need)
        self._needs = []

    def _evaluate(self) -> None:
        if not self.setup.device.evaluates:
            return
        self._sync()
        optimizer = self.objective.optimizer
        with averages.averaged(self.setup.network, optimizer):
            metrics = self.setup.evaluate()
        if optimizer.averages_differ:
            metrics.update(self._evaluate_raw(metrics))
        self._evaluations.append({"step": self.step, **metrics})
        if self._is_chief:
            eval_log.write_evaluations(self.output_dir, self._evaluations)
            model_card.write(self.output_dir, self.setup.run)
            self._events.evaluation(self.step, metrics)
        shown = f"{reports.shown(metrics)}  {self.setup.coverage}"
        self._line.say(f"step {self.step} evaluation: {shown}")
        self._mark_best()
        self._begin_window()

    def _evaluate_raw(self, metrics: dict[str, float]) -> dict[str, float]:
        """Returns loss and stop metric of the weights that aren't averaged."""
        raw = self.setup.evaluate(decodes=is_decoded(self.train_args.stop_metric))
        names = {"loss", strip_problem(self.train_args.stop_metric)} & raw.keys() & metrics.keys()
        return {raw_metric(name): raw[name] for name in sorted(names)}

    def _mark_best(self) -> None:
        """Protects the best checkpoint of those that were evaluated and still exist."""
        if not self._is_chief:
            return
        available = {self.step, *checkpoints.steps(self.output_dir)}
        rows = [row for row in self._evaluations if row["step"] in available]
        args = self.train_args
        best = eval_log.best_weights(rows, args.stop_metric, args.minimizes)
        if best is None:
            return
        if best[0] == self.step:
            # With save_seconds, not every evaluated step is saved.
            self._save()
        self._saver.mark_best(*best)

    def _stop_without_improvement(self) -> None:
        if reason := self.train_args.early_stop(self._evaluations):
            self._line.say(f"stopping early: {reason}")
            self._save()
            if self.agreement.ask_to_stop("early stopping"):
                self.objective.stop_training = True

    def _stop(self) -> None:
        self.objective.stop_training = True
        self._saver.wait()
        reason = self.agreement.stop_reason or "another machine"
        self._line.say(
            f"stopped by {reason} at step {self.step}; saved: the same command resumes from it"
        )

    def close(self) -> None:
        """Waits for the last checkpoint and ends the live line, also after an error."""
        self._line.close()
        if self._profiler:
            self._profiler.close()
        self._saver.close()

    def summarize(self) -> None:
        """Shows all evaluations of the run, draws its curves and says how to decode."""
        if self._is_chief:
            reports.summary(self.setup, self.output_dir, self._evaluations, self._saver.best)
