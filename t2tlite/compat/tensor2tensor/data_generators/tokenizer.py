"""As `tensor2tensor.data_generators.tokenizer`."""

from t2tlite.plugins.stand_ins import absent_names
from t2tlite.text.tokenizer import decode, encode

__getattr__ = absent_names(__name__)
