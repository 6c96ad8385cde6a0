"""RangedHParams: the space that `t2t-trainer --hparams_range` searches, with T2T's methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from t2tlite.config import HParams
from t2tlite.errors import HParamsError


class Range(NamedTuple):
    """The values that one hparam may take.

    Attributes:
      kind: "float", "int", "discrete" (some numbers) or "categorical" (values without an order).
      values: least and most, both included, of a float or an int; else all of them.
      scale: where a float or an int is looked for: LINEAR_SCALE everywhere alike, LOG_SCALE more at
        the lower end, REVERSE_LOG_SCALE more at the upper end.
      length: how many values, each drawn by itself, an hparam that is a list gets; None: no list.
    """

    kind: str
    values: list[Any]
    scale: str = "linear"
    length: int | None = None


class RangedHParams:
    """The space that a tuner searches: what a function of `register_ranged_hparams` fills.

    A second range of an hparam takes the place of the first.

    Attributes:
      ranges: by hparam name.
    """

    LINEAR_SCALE = "linear"
    LOG_SCALE = "log"
    REVERSE_LOG_SCALE = "reverse_log"

    def __init__(self) -> None:
        self.ranges: dict[str, Range] = {}

    def set_float(
        self,
        name: str,
        min_val: float,
        max_val: float,
        scale: str | None = None,
        length: int | None = None,
    ) -> None:
        """Lets `name` be any number from `min_val` to `max_val`.

        Raises:
          HParamsError: the range is empty, or its scale is of logarithms and it isn't above 0.
        """
        self._set_interval("float", name, [min_val, max_val], scale, length)

    def set_int(
        self,
        name: str,
        min_val: int,
        max_val: int,
        scale: str | None = None,
        length: int | None = None,
    ) -> None:
        """Lets `name` be any integer from `min_val` to `max_val`.

        Raises:
          HParamsError: as `set_float`.
        """
        self._set_interval("int", name, [min_val, max_val], scale, length)

    def set_discrete(
        self,
        name: str,
        feasible_points: Sequence[float],
        scale: str | None = None,
        length: int | None = None,
    ) -> None:
        """Lets `name` be one of some numbers; neighbours are alike, whatever lies between them.

        So the scale, which T2T has here too, makes no difference.

        Raises:
          HParamsError: there are none, or one isn't a number.
        """
        for point in feasible_points:
            if isinstance(point, bool) or not isinstance(point, (int, float)):
                raise HParamsError(
                    f"the range of {name} has {point!r}, which is no number; use set_categorical"
                )
        self._set("discrete", name, sorted(feasible_points), scale, length)

    def set_categorical(
        self, name: str, categories: Sequence[Any], length: int | None = None
    ) -> None:
        """Lets `name` be one of some texts, numbers or booleans without an order.

        Raises:
          HParamsError: there are none, or one is something else.
        """
        for one in categories:
            if one is not None and not isinstance(one, (str, int, float)):
                raise HParamsError(
                    f"the range of {name} has {one!r}; expected texts, numbers or booleans"
                )
        self._set("categorical", name, list(categories), None, length)

    def _set_interval(
        self, kind: str, name: str, values: list[Any], scale: str | None, length: int | None
    ) -> None:
        low, high = values
        if low > high:
            raise HParamsError(f"the range of {name} ends ({high}) before it starts ({low})")
        if scale in (self.LOG_SCALE, self.REVERSE_LOG_SCALE) and low <= 0:
            raise HParamsError(
                f"the range of {name} starts at {low}, and {scale} takes positive numbers alone; "
                f"start above 0 or leave the scale out"
            )
        self._set(kind, name, values, scale, length)

    def _set(
        self, kind: str, name: str, values: list[Any], scale: str | None, length: int | None
    ) -> None:
        scales = [self.LINEAR_SCALE, self.LOG_SCALE, self.REVERSE_LOG_SCALE]
        if scale not in (None, *scales):
            raise HParamsError(f"the scale of {name} is {scale!r}; expected {', '.join(scales)}")
        if not values:
            raise HParamsError(f"the range of {name} has no value; give at least one")
        if length is not None and length < 1:
            raise HParamsError(f"the range of {name} has length {length}; expected 1 or more")
        self.ranges[name] = Range(kind, values, scale or self.LINEAR_SCALE, length)

    def check(self, hparams: HParams) -> None:
        """Makes sure that these hparams can take the values of the ranges.

        Raises:
          HParamsError: an hparam that doesn't exist, or that is of another type than its range.
        """
        for name, one in self.ranges.items():
            present = hparams.value_of(name)
            if isinstance(present, (list, tuple)) != (one.length is not None):
                raise HParamsError(
                    f"{name} is a list, and its range has no length; add length={len(present)}"
                    if one.length is None
                    else f"the range of {name} has a length, and {name} is no list; leave it out"
                )
            like = present[0] if one.length and present else present
            if one.kind == "float" and isinstance(like, int):
                raise HParamsError(
                    f"{name} is {'true or false' if isinstance(like, bool) else 'an integer'}, "
                    f"and its range is of floats; use set_int, set_discrete or set_categorical"
                )
            if one.length is None:
                for value in one.values:
                    setattr(hparams.copy(), name, value)
