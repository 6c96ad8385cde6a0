"""As `tensor2tensor.data_generators.algorithmic`, with the small problem of T2T's own tests."""

import importlib
import tempfile
from typing import Any

from t2tlite.compat.problems import names_of

# By name, because the built-in problems are plugins.
__getattr__ = names_of(importlib.import_module("t2tlite.problems.algorithmic"), __name__)

_Identity: Any = __getattr__("AlgorithmicIdentityBinary40")


class TinyAlgo(_Identity):  # type: ignore[misc]
    """A copy of two symbols, with 100 examples a split.

    Attributes:
      data_dir: the folder that `setup_for_test` made.
    """

    train_size = 100
    dev_size = 100
    num_shards = 1
    data_dir = ""

    @classmethod
    def setup_for_test(cls) -> None:
        """Generates the data in a new folder."""
        cls.data_dir = tempfile.mkdtemp()
        cls().generate_data(cls.data_dir, None)
