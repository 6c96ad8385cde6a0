"""As `tensor2tensor.utils.metrics`: the names; t2tlite computes those of `t2tlite.problem`."""

from t2tlite import problem
from t2tlite.compat.absent import AbsentName
from t2tlite.compat.metrics import NOT_COMPUTED

__all__ = ["Metrics", "create_evaluation_metrics"]

Metrics = type("Metrics", (problem.Metrics,), dict(NOT_COMPUTED))
create_evaluation_metrics = AbsentName("tensor2tensor.utils.metrics.create_evaluation_metrics")
