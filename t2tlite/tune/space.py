"""From ranges of hparams to what Optuna draws from, and back from what it drew to hparams."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.ranged_hparams import Range, RangedHParams

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dimension:
    """One value to draw: an hparam, or an element of one that is a list.

    Attributes:
      hparam: its name.
      range: what it may be.
      index: of the element; None: the hparam is no list.
    """

    hparam: str
    range: Range
    index: int | None = None

    @property
    def name(self) -> str:
        """What it is called in tables and plots, and in the journal."""
        return self.hparam if self.index is None else f"{self.hparam}[{self.index}]"

    def draw(self, trial: Trial) -> Any:
        """Returns the hparam's value in a trial: a new one, or the one that it has already."""
        kind, values, scale, _ = self.range
        logarithms = scale != RangedHParams.LINEAR_SCALE
        if kind == "categorical":
            return trial.suggest_categorical(self.name, values)
        if kind == "discrete":
            # Numbers of places, so that neighbours are alike.
            return values[trial.suggest_int(self.name, 0, len(values) - 1)]
        low, high = values
        drawn: float
        if kind == "int":
            drawn = trial.suggest_int(self.name, low, high, log=logarithms)
        else:
            drawn = trial.suggest_float(self.name, low, high, log=logarithms)
        if scale != RangedHParams.REVERSE_LOG_SCALE:
            return drawn
        # Optuna has no such scale, so the journal has the mirrored value. Rounding could leave the
        # range.
        return min(max(low + high - drawn, low), high)

    @property
    def shown_in(self) -> BaseDistribution:
        """The distribution of values, for Optuna's plots of them."""
        from optuna import distributions as optuna

        kind, values, scale, _ = self.range
        if kind == "categorical":
            return optuna.CategoricalDistribution(values)
        logarithms = scale == RangedHParams.LOG_SCALE
        if kind != "float" and all(isinstance(value, int) for value in values):
            return optuna.IntDistribution(values[0], values[-1], log=logarithms and kind == "int")
        return optuna.FloatDistribution(values[0], values[-1], log=logarithms and kind == "float")


def dimensions(
    ranged: RangedHParams, hparams: HParams, given: Collection[str] = ()
) -> list[Dimension]:
    """Returns what is to be drawn for each trial.

    Args:
      ranged: the ranges.
      hparams: what they change.
      given: hparams that the user assigned: they keep their values.

    Raises:
      HParamsError: a range doesn't fit the hparams, or nothing is left to search.
    """
    ranged.check(hparams)
    kept = []
    for name, one in ranged.ranges.items():
        if name in given:
            log.info("%s=%s is given, so it isn't searched", name, hparams.existing(name))
        elif told := hparams.without_effect(name):
            log.info("%s isn't searched: %s", name, told)
        elif name in hparams.values():
            indices = [None] if one.length is None else range(one.length)
            kept += [Dimension(name, one, index) for index in indices]
    if not kept:
        raise HParamsError("nothing is left to search; choose another --hparams_range")
    return kept


def draw(searched: Iterable[Dimension], trial: Trial) -> dict[str, Any]:
    """Returns a trial's values by the names of the dimensions."""
    return {one.name: one.draw(trial) for one in searched}


def assignment(searched: Iterable[Dimension], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Returns hparams by name for values by the names of the dimensions."""
    values: dict[str, Any] = {}
    for one in searched:
        if one.index is None:
            values[one.hparam] = drawn[one.name]
        else:
            values.setdefault(one.hparam, []).append(drawn[one.name])
    return values
