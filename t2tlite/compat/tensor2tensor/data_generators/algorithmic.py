"""As `tensor2tensor.data_generators.algorithmic`: the base class only."""

from collections.abc import Iterator
from typing import Any

from t2tlite.compat.problems import Text2TextProblem
from t2tlite.compat.tensor2tensor.data_generators import generator_utils, text_encoder
from t2tlite.compat.tensor2tensor.utils import registry
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.problem import DatasetSplit

__getattr__ = absent_names(__name__)


class _Symbols(text_encoder.TextEncoder):
    """Encodes numbers in a text as ids, for a known number of symbols."""

    def __init__(self, num_symbols: int) -> None:
        super().__init__()
        self._num_symbols = num_symbols

    @property
    def vocab_size(self) -> int:
        return self._num_symbols + self.num_reserved_ids


class AlgorithmicProblem(Text2TextProblem):
    """Synthetic sequences of symbols. Implement `num_symbols` and `generator`."""

    num_shards = 10
    train_length = 40
    dev_length = 400
    train_size = 100000
    dev_size = 10000

    @property
    def num_symbols(self) -> int:
        """The number of symbols."""
        raise NotImplementedError(f"{type(self).__name__} has no num_symbols")

    def generator(
        self, nbr_symbols: int, max_length: int, nbr_cases: int
    ) -> Iterator[dict[str, Any]]:
        """Yields dicts of lists of ids with EOS at the end; reserved ids aren't symbols."""
        raise NotImplementedError(f"{type(self).__name__} has no generator")

    def generate_encoded_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        if dataset_split == DatasetSplit.TRAIN:
            return self.generator(self.num_symbols, self.train_length, self.train_size)
        return self.generator(self.num_symbols, self.dev_length, self.dev_size)

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoder = _Symbols(self.num_symbols)
        return {"inputs": encoder, "targets": encoder}
