"""As `tensor2tensor.layers.common_hparams`."""

from t2tlite.compat.t2t_hparams import HParams, sets_of
from t2tlite.plugins.absent import names_of
from t2tlite.ranged_hparams import RangedHParams

basic_params1 = sets_of("lstm")["basic_1"]
__getattr__ = names_of(__name__)

__all__ = ["RangedHParams", "basic_params1", "fill_ranged_hparams_from_hparams"]


def fill_ranged_hparams_from_hparams(hparams: HParams, ranged_hparams: RangedHParams) -> None:
    """Gave each hparam a range of its one value, before 1.7; here it keeps that by itself."""
