"""The search space: registered ranges as dimensions that Optuna draws from."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from optuna import distributions
from optuna.trial import Trial

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.ranged_hparams import Range, RangedHParams

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dimension:
    """One value to draw: an hparam, or an element of an hparam that is a list.

    Attributes:
      hparam: the hparam's name.
      range: the values that it may take.
      index: of the element; None if the hparam isn't a list.
    """

    hparam: str
    range: Range
    index: int | None = None

    @property
    def name(self) -> str:
        """The name in tables, plots and the journal: HPARAM or HPARAM[INDEX]."""
        return self.hparam if self.index is None else f"{self.hparam}[{self.index}]"

    def draw(self, trial: Trial) -> Any:
        """Returns the value in a trial; draws it if the trial doesn't have it yet."""
        kind, values, scale, _ = self.range
        logarithmic = scale != RangedHParams.LINEAR_SCALE
        if kind == "categorical":
            return trial.suggest_categorical(self.name, values)
        if kind == "discrete":
            # The position, so that neighbours count as similar.
            return values[trial.suggest_int(self.name, 0, len(values) - 1)]
        low, high = values
        value: float
        if kind == "int":
            value = trial.suggest_int(self.name, low, high, log=logarithmic)
        else:
            value = trial.suggest_float(self.name, low, high, log=logarithmic)
        if scale != RangedHParams.REVERSE_LOG_SCALE:
            return value
        # Optuna has no such scale: it draws the mirror image. Rounding could leave the range.
        return min(max(low + high - value, low), high)

    @property
    def value_distribution(self) -> distributions.BaseDistribution:
        """The distribution of the values themselves, for plots."""
        kind, values, scale, _ = self.range
        if kind == "categorical":
            return distributions.CategoricalDistribution(values)
        logarithmic = scale == RangedHParams.LOG_SCALE and kind != "discrete"
        if kind != "float" and all(isinstance(value, int) for value in values):
            return distributions.IntDistribution(values[0], values[-1], log=logarithmic)
        return distributions.FloatDistribution(values[0], values[-1], log=logarithmic)


def dimensions(
    ranged: RangedHParams, hparams: HParams, given: Collection[str] = ()
) -> list[Dimension]:
    """Returns the values to draw for each trial, and logs which hparams aren't searched and why.

    Args:
      ranged: the registered ranges.
      hparams: the hparams that the trials change.
      given: names of hparams that the user set; they keep their values.

    Raises:
      HParamsError: a range doesn't fit the hparams, or nothing is left to search.
    """
    ranged.check(hparams)
    searched = []
    for name, values in ranged.ranges.items():
        # Some trials may have the optimizer that reads it.
        by_optimizer = name.startswith("optimizer_") and "optimizer" in ranged.ranges
        if name in given:
            log.info("%s=%s is given, so it isn't searched", name, hparams.value_of(name))
        elif not by_optimizer and (reason := hparams.without_effect(name)):
            log.info("%s isn't searched: %s", name, reason)
        elif name in hparams.values():
            indices = [None] if values.length is None else range(values.length)
            searched += [Dimension(name, values, index) for index in indices]
    if not searched:
        raise HParamsError("nothing is left to search; choose another --hparams_range")
    return searched
