"""As `tensor2tensor.utils.metrics`: the names; t2tlite computes those of `t2tlite.problem`."""

from t2tlite import problem
from t2tlite.compat.absent import names_of
from t2tlite.compat.metrics import NOT_COMPUTED

__getattr__ = names_of(__name__)

__all__ = ["Metrics"]

Metrics = type("Metrics", (problem.Metrics,), dict(NOT_COMPUTED))
