"""As `tensor2tensor.utils.hparam`."""

from t2tlite.compat.t2t_hparams import HParams
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
