"""What is searched, for how long, and by which metric trials are compared."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite.errors import HParamsError
from t2tlite.metrics import OF_DECODING, lower_is_better
from t2tlite.training.train_args import TrainArgs
from t2tlite.tune.space import Dimension

# In a trial's folder: the file for --hparams_json_path.
HPARAMS = "hparams.json"


@dataclass(frozen=True)
class Search:
    """A search for hparams.

    Attributes:
      output_dir: the folder for the journal, the results and the trials' folders.
      dimensions: the values to draw for each trial.
      given: hparams of all trials that differ from the set.
      objective: the metric to optimize, as `objective` returns it.
      maximize: whether a higher objective is better.
      max_trials: trials in total, those of earlier runs included.
      parallel_trials: trials at once.
      train_args: of each trial; the seed also seeds the search.
      description: by name, the settings that must not change when the search is resumed.
    """

    output_dir: Path
    dimensions: Sequence[Dimension]
    given: Mapping[str, Any]
    objective: str
    maximize: bool
    max_trials: int
    parallel_trials: int
    train_args: TrainArgs
    description: Mapping[str, Any]

    @property
    def optimum(self) -> Callable[..., Any]:
        """The function that returns the best: max or min."""
        return max if self.maximize else min

    def folder(self, trial: int) -> Path:
        """Returns the folder of a trial."""
        return self.output_dir / str(trial)

    def hparams(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a trial's hparams that differ from the set, from values by dimension name."""
        drawn: dict[str, Any] = {}
        for dimension in self.dimensions:
            value = values[dimension.name]
            if dimension.index is None:
                drawn[dimension.hparam] = value
            else:
                drawn.setdefault(dimension.hparam, []).append(value)
        return {**self.given, **drawn}

    def best(self, objective_by_step: Mapping[int, float]) -> tuple[float, int] | None:
        """Returns the best finite value and its step, the first of equal ones; None without any."""
        finite = [(v, step) for step, v in sorted(objective_by_step.items()) if math.isfinite(v)]
        return self.optimum(finite, key=operator.itemgetter(0), default=None)

    def is_finished(self, rows: list[dict[str, Any]]) -> bool:
        """Returns whether training is done, by eval.jsonl: all steps, or stopped early."""
        if not rows:
            return False
        all_steps = rows[-1]["step"] >= self.train_args.train_steps
        return all_steps or self.train_args.early_stop(rows) is not None


def objective(
    name: str, problem: str, metrics: Sequence[str], maximize: bool | None = None
) -> tuple[str, bool]:
    """Returns the name in eval.jsonl of the metric `name`, and whether to maximize it.

    The name may be T2T's metrics-PROBLEM/NAME, or metrics-PROBLEM/targets/NAME as of T2T 1.11.

    Raises:
      HParamsError: it isn't one of the problem's metrics, or is better the other way round than
        `maximize` says.
    """
    prefix, slash, metric = name.rpartition("/")
    t2ts = (f"metrics-{problem}", f"metrics-{problem}/targets")
    if metric not in ("loss", *metrics) or (slash and prefix not in t2ts):
        names = ", ".join(["loss", *(f"metrics-{problem}/{each}" for each in metrics)])
        advice = "; that one needs --eval_decode=N" if metric in OF_DECODING else ""
        raise HParamsError(f"--autotune_objective={name!r} is not one of: {names}{advice}")
    is_low = lower_is_better(metric)
    if maximize is is_low:
        better, flag = ("lower", "") if is_low else ("higher", "no")
        raise HParamsError(
            f"--autotune_objective={name} is better when {better}; leave --{flag}autotune_maximize "
            f"out"
        )
    return metric, not is_low
