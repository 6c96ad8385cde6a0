"""T2T's problems that mix several (`multi_problem_v2`), and its functions of their schedules."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from t2tlite import mixtures
from t2tlite.batches.mixing import parse_schedule
from t2tlite.compat.problems import with_t2t_names
from t2tlite.config import HParams
from t2tlite.errors import PluginError, VocabularyError

# Interpolation, steps, shares at each of them.
Schedule = tuple[str, tuple[int, ...], tuple[tuple[float, ...], ...]]


class MultiText2TextProblem(with_t2t_names(mixtures.Mixture)):  # type: ignore[misc]
    """Several text problems, whose examples are sampled as a schedule says.

    As in T2T the schedule's shares are of the examples at a step. The problems share a vocabulary:
    theirs if they have the same file, or else the one of this problem, which is learned over all of
    them. Problems with inputs are joined to text alone if `has_inputs` is false.

    Args:
      problems: instances.
      schedule: as `constant_schedule` returns it; None: equal shares.
    """

    def __init__(
        self, problems: Sequence[Any], schedule: Schedule | str | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.problems, self.schedule = list(problems), schedule
        if type(self).normalize_example is not MultiText2TextProblem.normalize_example:
            raise PluginError(
                f"{type(self).__name__} overrides normalize_example, which is never called here; "
                f"change the examples in the problems' own preprocess_example"
            )

    def normalize_example(self, example: dict[str, Any], hparams: HParams) -> dict[str, Any]:
        """Returns an example as it is: batches here need no constant shape."""
        return example

    def generate_data_with_shared_vocab(
        self, data_dir: str, tmp_dir: str, task_id: int = -1
    ) -> None:
        """Generates the data with this problem's vocabulary, which must be in the data folder.

        Raises:
          VocabularyError: it isn't.
        """
        names = self.vocabulary_filenames
        if not any(os.path.exists(os.path.join(data_dir, name)) for name in names):
            raise VocabularyError(
                f"{self.name}: none of {', '.join(names)} is in {data_dir}; copy the vocabulary "
                f"there, or call generate_data, which learns one"
            )
        self.generate_data(data_dir, tmp_dir, task_id)


MultiProblemV2 = MultiText2TextProblem


def constant_schedule(pmf: Sequence[float]) -> Schedule:
    """Returns the schedule of shares that never change."""
    return "step", (0,), (tuplize(pmf),)


def example_rates_to_pmf(example_rates: Sequence[float]) -> list[float]:
    """Returns numbers divided by their sum."""
    total = sum(example_rates)
    return [rate / total for rate in example_rates]


def epoch_rates_to_pmf(
    problems: Sequence[Any], epoch_rates: Sequence[float] | None = None
) -> list[float]:
    """Returns shares with which problems go through so many epochs in the same time.

    Args:
      problems: with the attribute `num_training_examples`.
      epoch_rates: relative numbers of epochs; None: equal ones.
    """
    rates = [1.0] * len(problems) if epoch_rates is None else epoch_rates
    pairs = zip(problems, rates, strict=True)
    return example_rates_to_pmf([one.num_training_examples * rate for one, rate in pairs])


def encode_schedule(schedule: Schedule) -> str:
    """Returns a schedule as text: "step @0 0.7 0.3"."""
    interpolation, steps, pmfs = schedule
    points = (f"@{s} {' '.join(map(str, row))}" for s, row in zip(steps, pmfs, strict=True))
    return " ".join([interpolation, *points])


def decode_schedule(string: str) -> Schedule:
    """Returns the schedule that a text says; see `encode_schedule`."""
    interpolation, steps, pmfs = parse_schedule(string)
    return interpolation, tuple(steps), tuplize(pmfs)


def tuplize(nested: Any) -> Any:
    """Returns nested lists and arrays as tuples."""
    if isinstance(nested, str) or not isinstance(nested, Iterable):
        return nested
    return tuple(tuplize(one) for one in nested)


def linear_interpolation(x: Any, xp: Any, fp: Any, **kwargs: Any) -> Any:
    """Returns shares between the points of a schedule, float32 [..., M].

    Args:
      x: steps [...].
      xp: of the points, ascending [P].
      fp: shares at the points [P, M].
      **kwargs: of `numpy.interp`.
    """
    columns = np.asarray(fp, float).reshape(len(fp), -1).T
    values = np.stack([np.interp(x, xp, column, **kwargs) for column in columns], axis=-1)
    return values.reshape(np.shape(x) + np.shape(fp)[1:]).astype(np.float32)


def step_interpolation(x: Any, xp: Any, fp: Any, **kwargs: Any) -> Any:
    """Returns the shares of the last point that has come, of the first one before it: float32.

    Args:
      x, xp, fp: as of `linear_interpolation`.
      **kwargs: not read.
    """
    reached = np.searchsorted(np.asarray(xp), np.asarray(x), side="right") - 1
    return np.asarray(fp)[np.maximum(reached, 0)].astype(np.float32)
