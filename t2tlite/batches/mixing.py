"""The share of the training examples that each member of a mixture has, at each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from t2tlite.assignments import shown
from t2tlite.errors import DataError

INTERPOLATIONS = ("step", "linear")
# Shares of a T2T schedule: a point begins with this mark.
_AT = "@"


@dataclass(frozen=True)
class Mixing:
    """Shares of the examples by step; before the first point and after the last one constant.

    Attributes:
      names: of the members.
      steps: of the points, ascending.
      shares: of each member at each point; those of a point have the sum 1.
      interpolation: between two points: "step" (those of the earlier one) or "linear".
      counts_examples: whether `steps` are numbers of examples rather than of batches.
    """

    names: tuple[str, ...]
    steps: tuple[int, ...]
    shares: tuple[tuple[float, ...], ...]
    interpolation: str = "step"
    counts_examples: bool = False

    @classmethod
    def constant(cls, names: Sequence[str], weights: Sequence[float], where: str) -> Mixing:
        """Returns shares in proportion to weights.

        Raises:
          DataError: a weight is negative or not finite, or all are 0; `where` begins the message.
        """
        return cls(tuple(names), (0,), (normalised(weights, where),))

    @classmethod
    def scheduled(
        cls,
        names: Sequence[str],
        schedule: str | tuple[str, Sequence[int], Sequence[Sequence[float]]],
        where: str,
    ) -> Mixing:
        """Returns shares by T2T's schedule, such as "linear @0 1.0 0.0 @10000 0.5 0.5".

        Args:
          names: of the members.
          schedule: the text, or T2T's tuple: interpolation, steps, shares at each of them.
          where: begins messages.

        Raises:
          DataError: it isn't such a schedule, or has another number of members.
        """
        try:
            interpolation, steps, rows = (
                parse_schedule(schedule) if isinstance(schedule, str) else schedule
            )
            points = tuple(int(step) for step in steps)
            weights = [tuple(float(value) for value in row) for row in rows]
        except (TypeError, ValueError):
            raise DataError(
                f"{where}: the schedule is {shown(schedule, quoted=True)}; expected a text like "
                f"'linear @0 1.0 0.0 @10000 0.5 0.5', or T2T's tuple of it"
            ) from None
        if interpolation not in INTERPOLATIONS:
            raise DataError(
                f"{where}: the schedule begins with {shown(interpolation, quoted=True)}; expected "
                f"one of {', '.join(INTERPOLATIONS)}"
            )
        if not points or list(points) != sorted(set(points)) or points[0] < 0:
            raise DataError(
                f"{where}: the schedule has the steps {list(points)}; they must be ascending, "
                f"from 0 on"
            )
        if len(weights) != len(points) or any(len(row) != len(names) for row in weights):
            raise DataError(
                f"{where}: the schedule has {[len(row) for row in weights]} shares at its points; "
                f"expected {len(names)} at each, one for each problem"
            )
        shares = tuple(normalised(row, where) for row in weights)
        return cls(tuple(names), points, shares, interpolation)


def normalised(weights: Sequence[float], where: str) -> tuple[float, ...]:
    """Returns weights divided by their sum.

    Raises:
      DataError: one is negative or not finite, or all are 0; `where` begins the message.
    """
    total = sum(weights)
    wrong = next((w for w in weights if not (math.isfinite(w) and w >= 0)), None)
    if wrong is not None or not total > 0:
        found = f"a weight of {wrong}" if wrong is not None else "weights with the sum 0"
        raise DataError(f"{where} has {found}; expected weights from 0 on, at least one above 0")
    return tuple(weight / total for weight in weights)


def parse_schedule(text: str) -> tuple[str, list[int], list[list[float]]]:
    """Returns interpolation, steps and shares of T2T's text form of a schedule.

    >>> parse_schedule("step @0 0.7, 0.3 @100 0 1")
    ('step', [0, 100], [[0.7, 0.3], [0.0, 1.0]])

    Raises:
      ValueError: it isn't one.
    """
    interpolation, *words = text.replace(",", " ").split()
    steps: list[int] = []
    shares: list[list[float]] = []
    for word in words:
        if word.startswith(_AT):
            steps.append(int(word.removeprefix(_AT)))
            shares.append([])
        elif not shares:
            raise ValueError("shares before the first step")
        else:
            shares[-1].append(float(word))
    return interpolation, steps, shares
