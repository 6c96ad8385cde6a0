"""As `tensor2tensor.problems`."""

from t2tlite.compat.tensor2tensor.utils.registry import problem
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.registry import list_problems as available

__getattr__ = absent_names(__name__)
