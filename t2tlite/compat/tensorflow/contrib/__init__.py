"""As `tensorflow.contrib`."""

from t2tlite.compat.tensorflow.contrib import eager as eager
from t2tlite.compat.tensorflow.contrib import learn as learn
from t2tlite.compat.tensorflow.contrib import training as training
from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)
