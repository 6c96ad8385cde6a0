"""As `tensor2tensor.utils.metrics`: the names; t2tlite computes those of `t2tlite.problem`."""

from t2tlite import metrics
from t2tlite.plugins.absent import names_of
from t2tlite.t2t_names.metrics import NOT_COMPUTED

__getattr__ = names_of(__name__)

__all__ = ["Metrics"]

Metrics = type("Metrics", (metrics.Metrics,), dict(NOT_COMPUTED))
