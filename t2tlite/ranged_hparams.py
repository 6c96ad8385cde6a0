"""RangedHParams: the search space of `t2t-trainer --hparams_range`, with T2T's methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from t2tlite.assignments import check_value, convert, field_hints
from t2tlite.config import HParams
from t2tlite.errors import HParamsError


class Range(NamedTuple):
    """The values that one hparam may take."""

    kind: str  # "float", "int", "discrete" (a set of numbers) or "categorical" (unordered values)
    values: list[Any]  # of a float or an int the least and the greatest, both included; else all
    # How a float or an int is sampled: uniformly ("linear"), denser at the lower end ("log") or
    # denser at the upper end ("reverse_log").
    scale: str = "linear"
    length: int | None = None  # number of independent values of a list; None: not a list


class RangedHParams:
    """The search space of a tuner; a function registered by `register_ranged_hparams` fills it.

    >>> @registry.register_ranged_hparams("my_range")
    ... def my_range(ranged):
    ...     ranged.set_float("learning_rate_constant", 0.1, 2.0, scale=ranged.LOG_SCALE)
    ...     ranged.set_discrete("hidden_size", [256, 512])
    >>> ranged = RangedHParams()
    >>> my_range(ranged)
    >>> ranged.ranges["hidden_size"].values
    [256, 512]

    A second range of an hparam replaces the first.

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
        """Sets the range of a float hparam, both ends included.

        Raises:
          HParamsError: the range is empty, or not positive with a logarithmic scale.
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
        """Sets the range of an integer hparam, as `set_float`."""
        self._set_interval("int", name, [min_val, max_val], scale, length)

    def set_discrete(
        self,
        name: str,
        feasible_points: Sequence[float],
        scale: str | None = None,
        length: int | None = None,
    ) -> None:
        """Sets the possible numbers of an hparam.

        Raises:
          HParamsError: there are none, or one isn't a number.
        """
        # The tuner searches by rank, so T2T's argument `scale` makes no difference.
        for point in feasible_points:
            if isinstance(point, bool) or not isinstance(point, (int, float)):
                raise HParamsError(
                    f"the range of {name} has {point!r}, which is not a number; use set_categorical"
                )
            convert(name, point, float)
        self._set("discrete", name, sorted(feasible_points), scale, length)

    def set_categorical(
        self, name: str, categories: Sequence[Any], length: int | None = None
    ) -> None:
        """Sets the possible values of an hparam, strings, numbers or booleans without an order.

        Raises:
          HParamsError: there are none, or one has another type.
        """
        for category in categories:
            if category is not None and not isinstance(category, (str, int, float)):
                raise HParamsError(
                    f"the range of {name} has {category!r}; expected strings, numbers or booleans"
                )
        self._set("categorical", name, list(categories), None, length)

    def _set_interval(
        self, kind: str, name: str, values: list[Any], scale: str | None, length: int | None
    ) -> None:
        number = int if kind == "int" else float
        low, high = values = [convert(name, value, number) for value in values]
        if low > high:
            raise HParamsError(f"the range of {name} ends ({high}) before it starts ({low})")
        if scale in (self.LOG_SCALE, self.REVERSE_LOG_SCALE) and low <= 0:
            raise HParamsError(
                f"the range of {name} starts at {low}, and scale {scale} needs positive "
                f"numbers; start above 0 or use another scale"
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
        """Checks that these hparams exist and can take the values of their ranges.

        Raises:
          HParamsError: an hparam doesn't exist, or its type isn't that of its range.
        """
        for name, (kind, values, _, length) in self.ranges.items():
            present = hparams.value_of(name)
            if isinstance(present, (list, tuple)) != (length is not None):
                raise HParamsError(
                    f"{name} is a list, and its range has no length; add length={len(present)}"
                    if length is None
                    else f"the range of {name} has a length, and {name} is not a list; omit it"
                )
            example = present[0] if length and present else present
            if kind == "float" and isinstance(example, int):
                raise HParamsError(
                    f"{name} is {'true or false' if isinstance(example, bool) else 'an integer'}, "
                    f"and its range is of floats; use set_int, set_discrete or set_categorical"
                )
            for value in values if length is None else []:
                changed = hparams.copy().assign({name: value})
                check_value(name, changed.value_of(name), field_hints(HParams).get(name))
