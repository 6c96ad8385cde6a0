"""As `tensor2tensor.utils.hparam`."""

from t2tlite.compat.t2t_hparams import HParams

__all__ = ["HParams"]
