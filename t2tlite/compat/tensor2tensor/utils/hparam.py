"""As `tensor2tensor.utils.hparam`."""

from t2tlite.compat.hparam import HParams, parse_values
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
