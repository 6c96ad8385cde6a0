"""`TrainArgs`: how long to train, when to save and evaluate, and when to stop early."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from t2tlite import metrics
from t2tlite.assignments import MAX_SEED, Bounds, CheckedFields
from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.problem import DatasetSplit

log = logging.getLogger(__name__)

_Count = Annotated[int, Bounds(0, 2**31 - 1)]
_Period = Annotated[int, Bounds(1, 2**31 - 1)]


@dataclass
class TrainArgs(CheckedFields):
    """How long to train, and what happens between steps.

    >>> TrainArgs(train_steps=9000, eval_frequency=5000).check().most_eval_batches
    500

    Attributes:
      train_steps: last step; the steps of earlier runs count, and 0 trains nothing. A step is a
        batch, also where several batches make an update (hparam
        optimizer_multistep_accumulate_steps).
      evaluate: whether to evaluate during training.
      eval_frequency: steps between evaluations, and between checkpoints if save_seconds is 0.
      eval_steps: how many batches an evaluation has at most, about, of examples drawn at random
        from the split; 0: all. None: 100 or a tenth of eval_frequency, whichever is more.
      eval_split: "eval" or "test".
      eval_decode: how many inputs of the split, its first distinct ones, each evaluation decodes
        to compare the answers; 0: none.
      save_seconds: seconds between checkpoints; 0: one at each evaluation.
      keep_checkpoints: how many of the newest checkpoints to keep; 0: all. The best is always kept.
      stop_after_steps: steps without improvement after which to stop early; 0: never.
      stop_metric: "loss" or the metric that decides early stopping and the best checkpoint.
      stop_delta: the smallest change of stop_metric that is an improvement.
      stop_minimize: whether a lower stop_metric is better; None: as the metric is meant.
      warm_start_from: model folder or weights file whose weights a new model starts from.
      steps_per_call: largest number of steps in one call of the compiled training function.
      profile: whether to trace some steps and show where their time goes.
      seed: of initial weights, dropout and the order of the data.
    """

    train_steps: _Count = 250_000
    evaluate: bool = True
    eval_frequency: _Period = 1_000
    eval_steps: Annotated[int | None, Bounds(0, 2**31 - 1)] = None
    eval_split: str = DatasetSplit.EVAL
    eval_decode: _Count = 0
    save_seconds: _Count = 0
    keep_checkpoints: _Count = 20
    stop_after_steps: _Count = 0
    stop_metric: str = "loss"
    stop_delta: Annotated[float, Bounds(0.0, 1e9)] = 0.1
    stop_minimize: bool | None = None
    warm_start_from: str | None = None
    steps_per_call: Annotated[int, Bounds(1, 1_000_000)] = 1
    profile: bool = False
    seed: Annotated[int, Bounds(0, MAX_SEED)] = 0

    @property
    def most_eval_batches(self) -> float:
        """About the most batches that an evaluation has.

        The default is T2T's 100, or more where that takes under a tenth of the time that training
        takes between evaluations: a batch is evaluated in less time than it is trained on.
        """
        if self.eval_steps is None:
            return max(100, self.eval_frequency // 10)
        return self.eval_steps or math.inf

    @property
    def minimizes(self) -> bool:
        """Whether a lower stop_metric is better."""
        return metrics.minimizes(metrics.strip_problem(self.stop_metric), self.stop_minimize)

    def check_direction(self) -> None:
        """Warns if stop_minimize is wrong for a metric whose direction is known."""
        name = metrics.strip_problem(self.stop_metric)
        if metrics.has_direction(name) and self.minimizes != metrics.lower_is_better(name):
            log.warning(
                "%s is better when %s; leave out --%seval_early_stopping_metric_minimize, or the "
                "worst checkpoint counts as the best",
                *(name, *(("higher", "") if self.minimizes else ("lower", "no"))),
            )

    def check_warmup(self, hparams: HParams) -> None:
        """Warns if training ends before the warm-up of the learning rate."""
        warmup_steps = hparams.learning_rate_warmup_steps
        schedule = hparams.learning_rate_schedule
        has_warmup = "linear_warmup" in schedule or "legacy" in schedule
        # learning_rate_warmup_share shortens it.
        has_warmup = has_warmup and not hparams.learning_rate_warmup_share
        batches = max(hparams.optimizer_multistep_accumulate_steps, 1)
        updates = self.train_steps // batches
        if has_warmup and warmup_steps > updates and self.train_steps:
            log.warning(
                "training ends before the learning rate's warm-up: --train_steps=%d%s, "
                "learning_rate_warmup_steps=%d; try --hparams=learning_rate_warmup_steps=%d",
                self.train_steps,
                f" with {batches} batches an update" if batches > 1 else "",
                warmup_steps,
                max(math.ceil(updates / 10), 1),
            )

    def early_stop(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        """Decides from the evaluations so far whether to stop early.

        Args:
          rows: step, loss and metrics of each, oldest first.

        Returns:
          The reason to stop, or None to continue.

        Raises:
          HParamsError: stop_metric is not among the metrics.
        """
        if not rows:
            return None
        name = metrics.strip_problem(self.stop_metric)
        if metrics.is_decoded(name) and self.eval_decode:
            # Earlier evaluations may have decoded nothing.
            rows = [row for row in rows if name in row]
            if not rows:
                return None
        if name not in rows[-1]:
            known = ", ".join(key for key in rows[-1] if key not in ("step", "time"))
            raise HParamsError(
                f"--eval_early_stopping_metric={self.stop_metric} is not one of the problem's "
                f"metrics: {known}"
            )
        if not self.stop_after_steps:
            return None
        sign = 1.0 if self.minimizes else -1.0
        best, best_step = math.inf, rows[0]["step"]
        for row in rows:
            if sign * row.get(name, math.nan) < best - self.stop_delta:
                best, best_step = sign * row[name], row["step"]
        waited = rows[-1]["step"] - best_step
        if waited < self.stop_after_steps:
            return None
        return (
            f"{name} hasn't improved by {self.stop_delta} for {waited} steps (best "
            f"{sign * best:.4f} at step {best_step})"
        )
