"""As `tensor2tensor.data_generators.tokenizer`."""

from t2tlite.plugins.absent import names_of
from t2tlite.text.tokenizer import decode, encode

__getattr__ = names_of(__name__)

__all__ = ["decode", "encode"]
