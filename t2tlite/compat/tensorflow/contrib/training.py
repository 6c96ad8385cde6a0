"""As `tensorflow.contrib.training`, where T2T's HParams came from."""

from t2tlite.compat.hparam import HParams as HParams
from t2tlite.compat.hparam import parse_values as parse_values
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
