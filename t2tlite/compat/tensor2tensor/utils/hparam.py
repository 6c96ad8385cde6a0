"""As `tensor2tensor.utils.hparam`."""

from t2tlite.compat.absent import names_of
from t2tlite.compat.t2t_hparams import HParams

__getattr__ = names_of(__name__)

__all__ = ["HParams"]
