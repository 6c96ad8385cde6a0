"""As `tensorflow.estimator`, of which only the modes are left: hooks compare theirs with them."""

from t2tlite.plugins.stand_ins import absent_names

__getattr__ = absent_names(__name__)


class ModeKeys:
    """What a hook is called for."""

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"
