"""As `tensor2tensor.problems`."""

from t2tlite.plugins.absent import names_of
from t2tlite.registry import list_problems as available
from t2tlite.registry import problem

__getattr__ = names_of(__name__)

__all__ = ["available", "problem"]
