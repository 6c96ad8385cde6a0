"""What is searched for, how long, and what tells which trial is best."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite.errors import HParamsError
from t2tlite.metrics import lower_is_better
from t2tlite.training.train_args import TrainArgs
from t2tlite.tune.space import Dimension

# In a trial's folder: what the trainer takes as --hparams_json_path.
HPARAMS = "hparams.json"


@dataclass(frozen=True)
class Search:
    """A search for hparams.

    Attributes:
      output_dir: gets the journal, the results and a folder for each trial.
      dimensions: what is drawn for a trial.
      given: hparams that all trials have in common and that aren't those of the set.
      objective: name of the metric that should be best, as `objective` returns it.
      maximize: whether higher is better.
      max_trials: how many trials to make, those of earlier runs included.
      parallel_trials: how many to run at once here.
      schedule: of each trial; its seed is that of the search, too.
      description: what must not change when the search goes on, by name.
    """

    output_dir: Path
    dimensions: Sequence[Dimension]
    given: Mapping[str, Any]
    objective: str
    maximize: bool
    max_trials: int
    parallel_trials: int
    schedule: TrainArgs
    description: Mapping[str, Any]

    def folder(self, trial: int) -> Path:
        """The folder of a trial."""
        return self.output_dir / str(trial)

    def best(self, values: Mapping[int, float]) -> tuple[float, int] | None:
        """Returns the best finite one of values by step, and its step; None if there is none."""
        sign = -1.0 if self.maximize else 1.0
        finite = [(sign * value, step) for step, value in values.items() if math.isfinite(value)]
        if not finite:
            return None
        value, step = min(finite)
        return sign * value, step

    def is_finished(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether training ended with these evaluations, and wasn't stopped."""
        if not rows:
            return False
        last: int = rows[-1]["step"]
        done = last >= self.schedule.train_steps
        return done or self.schedule.early_stop([dict(row) for row in rows]) is not None


def objective(name: str, problem: str, metrics: Sequence[str], maximize: bool) -> str:
    """Returns the name that eval.jsonl has for the metric of --autotune_objective.

    Args:
      name: the metric's name, or T2T's metrics-PROBLEM/NAME.
      problem: what is trained.
      metrics: the problem's.
      maximize: whether higher shall be better.

    Raises:
      HParamsError: it isn't evaluated, or the wrong way round.
    """
    known = ["loss", *metrics]
    prefix, slash, metric = name.rpartition("/")
    if metric not in known or (slash and prefix != f"metrics-{problem}"):
        close = difflib.get_close_matches(metric, known, n=1)
        names = ", ".join(one if one == "loss" else f"metrics-{problem}/{one}" for one in known)
        hint = f"; did you mean {close[0]}?" if close and close[0] != metric else ""
        raise HParamsError(f"--autotune_objective={name!r} is not one of: {names}{hint}")
    if maximize and lower_is_better(metric):
        raise HParamsError(
            f"--autotune_objective={name} is better when lower; add --noautotune_maximize"
        )
    return metric
