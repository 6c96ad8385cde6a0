"""As `tensor2tensor.layers.common_hparams`."""

from t2tlite.compat.t2t_hparams import HParams, built_in_sets
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.ranged_hparams import RangedHParams

basic_params1 = built_in_sets("lstm")["basic_1"]
__getattr__ = absent_names(__name__)


def fill_ranged_hparams_from_hparams(hparams: HParams, ranged_hparams: RangedHParams) -> None:
    """Does nothing: an hparam without a range keeps its value."""
