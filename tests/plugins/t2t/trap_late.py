"""A module that a hook imports when it runs, with an import of T2T's of its own."""

from tensor2tensor.data_generators import text_encoder

LATE = "late" if text_encoder.EOS_ID == 1 else ""
