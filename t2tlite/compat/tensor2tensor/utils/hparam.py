"""As `tensor2tensor.utils.hparam`."""

from t2tlite.compat.t2t_hparams import HParams
from t2tlite.plugins.absent import names_of

__getattr__ = names_of(__name__)

__all__ = ["HParams"]
