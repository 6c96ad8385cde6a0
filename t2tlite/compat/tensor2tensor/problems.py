"""As `tensor2tensor.problems`."""

from t2tlite.registry import list_problems as available
from t2tlite.registry import problem

__all__ = ["available", "problem"]
