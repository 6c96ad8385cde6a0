"""The shares of a mixture's members: from its weights, temperature or schedule, or from hparams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from t2tlite.assignments import shown
from t2tlite.batches.mixing import Mixing, normalised
from t2tlite.config import HParams
from t2tlite.errors import DataError, HParamsError

# Points of T2T's exponential schedule; in between it is linear.
_POINTS = 64
# Of T2T's exponential schedule: the part of the threshold that it begins with.
_LEAST = 1e-4


def mixing_of(mixture: Any, sizes: Mapping[str, int], hparams: HParams) -> Mixing:
    """Returns the shares of the members.

    Args:
      mixture: a `Mixture`.
      sizes: the number of training examples of each member.
      hparams: of the model; T2T's multiproblem_... are read if the mixture says nothing.

    Raises:
      DataError: weights or the schedule aren't possible, or several of them are given.
      HParamsError: an hparam isn't possible.
    """
    names, where = list(sizes), mixture.name
    weights = mixture.weights
    given = {
        "schedule": mixture.schedule,
        "temperature": mixture.temperature,
        "weights": weights,
    }
    if len(named := [name for name, value in given.items() if value is not None]) > 1:
        raise DataError(f"{where} has both {' and '.join(named)}; give one of them")
    if mixture.schedule is not None:
        return Mixing.scheduled(names, mixture.schedule, where)
    if (temperature := mixture.temperature) is not None:
        if not isinstance(temperature, int | float) or not 0 < temperature < float("inf"):
            raise DataError(
                f"{where}: temperature is {shown(temperature, quoted=True)}; expected a number "
                f"above 0"
            )
        largest = max(sizes.values())
        powers = [(sizes[name] / max(largest, 1)) ** (1.0 / temperature) for name in names]
        return Mixing.constant(names, powers, where)
    if weights is not None:
        return Mixing.constant(names, list(weights.values()), where)
    return _of_hparams(names, hparams) or Mixing.constant(names, [1.0] * len(names), where)


def _of_hparams(names: list[str], hparams: HParams) -> Mixing | None:
    """Returns the shares that T2T's multiproblem_... give; None where they have their defaults.

    The first member is the primary one; the others share what it leaves equally.
    """
    defaults = HParams()
    kinds = [f"multiproblem_{name}" for name in ("mixing_schedule", "per_task_threshold")]
    kinds += [f"multiproblem_schedule_{name}" for name in ("threshold", "max_examples")]
    kind, thresholds, threshold, last = (getattr(hparams, name) for name in kinds)
    if all(str(getattr(hparams, name)) == str(getattr(defaults, name)) for name in kinds):
        return None
    if thresholds:
        return Mixing(tuple(names), (0,), (_thresholds(names, thresholds),))
    try:
        share, examples = float(threshold), int(float(last))
        if not (0 <= share <= 1 and examples >= 0):
            raise ValueError
    except ValueError:
        raise HParamsError(
            f"multiproblem_schedule_threshold={threshold} and "
            f"multiproblem_schedule_max_examples={last}; expected a number from 0 to 1, and one "
            f"from 0 on"
        ) from None

    def shares(others: float) -> tuple[float, ...]:
        if len(names) == 1:
            return (1.0,)
        return (1.0 - others, *[others / (len(names) - 1)] * (len(names) - 1))

    if kind == "constant":
        return Mixing(tuple(names), (0,), (shares(share),))
    if kind == "pretrain":
        points, rows = [0, examples], [shares(0.0), shares(1.0)]
        interpolation = "step"
    elif kind == "exponential":
        points = sorted({examples * i // _POINTS for i in range(_POINTS + 1)})
        begun = [point / max(examples, 1) for point in points]
        rows = [shares(share * _LEAST ** (1.0 - part)) for part in begun]
        interpolation = "linear"
    else:
        raise HParamsError(
            f"multiproblem_mixing_schedule={kind}; expected constant, exponential or pretrain"
        )
    if not examples:
        points, rows = [0], [shares(1.0 if kind == "pretrain" else share)]
    return Mixing(tuple(names), tuple(points), tuple(rows), interpolation, counts_examples=True)


def _thresholds(names: list[str], text: Any) -> tuple[float, ...]:
    try:
        weights = [float(part) for part in str(text).split(",")]
    except ValueError:
        weights = []
    if len(weights) != len(names):
        raise HParamsError(
            f"multiproblem_per_task_threshold={text}; expected {len(names)} numbers, one for each "
            f"problem, as 320,80"
        )
    return normalised(weights, "multiproblem_per_task_threshold")
