"""How long a training goes on, and what the evaluations on the way decide."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

from t2tlite import metrics
from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.problem import DatasetSplit

log = logging.getLogger(__name__)


@dataclass
class TrainArgs:
    """How long to train, and what happens on the way.

    Attributes:
      train_steps: batches to train on, in all, those of earlier runs included.
      evaluate: whether to evaluate on the way.
      eval_frequency: steps between evaluations and saves.
      eval_steps: most batches of an evaluation; 0: all.
      eval_split: "eval" or "test".
      save_seconds: seconds between saves; 0: save when evaluating.
      keep_checkpoints: newest checkpoints to keep, the best one besides; 0: all.
      stop_after_steps: steps without improvement after which to stop; 0: never.
      stop_metric: what should improve, and tells the best checkpoint: "loss" or a metric's name.
      stop_delta: what counts as an improvement.
      stop_minimize: whether lower is better.
      warm_start_from: a model folder or weights file to start from when output_dir is new.
      steps_per_call: most steps that run between two looks of Python at them.
      profile: whether to record and show where the time of some steps goes.
      seed: of initial weights, dropout and the order of the data.
    """

    train_steps: int = 250_000
    evaluate: bool = True
    eval_frequency: int = 1_000
    eval_steps: int = 100
    eval_split: str = DatasetSplit.EVAL
    save_seconds: int = 0
    keep_checkpoints: int = 20
    stop_after_steps: int = 0
    stop_metric: str = "loss"
    stop_delta: float = 0.1
    stop_minimize: bool = True
    warm_start_from: str = ""
    steps_per_call: int = 1
    profile: bool = False
    seed: int = 0

    def check_direction(self) -> None:
        """Warns if the metric that should improve is one that is better the other way round."""
        name = self.stop_metric.rsplit("/", 1)[-1]
        if name in ("loss", *metrics.KNOWN) and self.stop_minimize != metrics.lower_is_better(name):
            better, flag = ("higher", "no") if self.stop_minimize else ("lower", "")
            log.warning(
                "%s is better when %s; add --%seval_early_stopping_metric_minimize, or the worst "
                "checkpoint counts as the best",
                *(name, better, flag),
            )

    def check_warmup(self, hparams: HParams) -> None:
        """Warns if the learning rate would still rise when training ends."""
        warmup_steps = hparams.learning_rate_warmup_steps
        rises = any(one in hparams.learning_rate_schedule for one in ("linear_warmup", "legacy"))
        if rises and warmup_steps > self.train_steps:
            log.warning(
                "the learning rate still rises when training ends: learning_rate_warmup_steps=%d "
                "of --train_steps=%d; lower it, say --hparams=learning_rate_warmup_steps=%d",
                *(warmup_steps, self.train_steps, math.ceil(self.train_steps / 10)),
            )

    def early_stop(self, rows: list[dict[str, Any]]) -> str | None:
        """Decides from the evaluations so far whether to stop.

        Returns:
          Why to stop, or None to go on.

        Raises:
          HParamsError: the metric that should improve isn't evaluated.
        """
        if not rows:
            return None
        # T2T's name of a metric has its problem in front: metrics-PROBLEM/NAME.
        name = self.stop_metric.rsplit("/", 1)[-1]
        if name not in rows[-1]:
            known = ", ".join(key for key in rows[-1] if key not in ("step", "time"))
            raise HParamsError(f"--eval_early_stopping_metric={self.stop_metric}: it has {known}")
        if not self.stop_after_steps:
            return None
        sign = 1.0 if self.stop_minimize else -1.0
        best, best_step = math.inf, rows[0]["step"]
        for row in rows:
            if sign * row[name] < best - self.stop_delta:
                best, best_step = sign * row[name], row["step"]
        waited = rows[-1]["step"] - best_step
        if waited < self.stop_after_steps:
            return None
        return (
            f"{name} hasn't improved by {self.stop_delta} for {waited} steps (best "
            f"{sign * best:.4f} at step {best_step})"
        )
