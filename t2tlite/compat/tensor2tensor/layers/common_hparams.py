"""As `tensor2tensor.layers.common_hparams`."""

from t2tlite.compat.absent import names_of
from t2tlite.compat.t2t_hparams import sets_of
from t2tlite.config import RangedHParams

basic_params1 = sets_of("lstm")["basic_1"]
__getattr__ = names_of(__name__)

__all__ = ["RangedHParams", "basic_params1"]
