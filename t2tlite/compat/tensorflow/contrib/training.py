"""As `tensorflow.contrib.training`, where T2T's HParams came from."""

from t2tlite.compat.t2t_hparams import HParams as HParams
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
