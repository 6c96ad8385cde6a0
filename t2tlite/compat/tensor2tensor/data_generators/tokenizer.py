"""As `tensor2tensor.data_generators.tokenizer`."""

from t2tlite.text.tokenizer import decode, encode

__all__ = ["decode", "encode"]
