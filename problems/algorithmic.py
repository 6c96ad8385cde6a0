"""T2T's synthetic problems on sequences of symbols: copy, shift, reverse, sort, add, multiply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from t2tlite import problem, registry, text, text_problems

Samples = Iterator[dict[str, list[int]]]


class Symbols(text.TextEncoder):
    """Encodes numbers from 0, in a text, as ids.

    Args:
      num_symbols: how many numbers there are.
    """

    def __init__(self, num_symbols: int):
        super().__init__()
        self._num_symbols = num_symbols

    @property
    def vocab_size(self) -> int:
        return self._num_symbols + self.num_reserved_ids


class AlgorithmicProblem(text_problems.Text2TextProblem):
    """Sequences of symbols. Implement `num_symbols` and `generator`.

    Attributes:
      train_length, dev_length: longest sequences of the splits.
      train_size, dev_size: number of examples of the splits.
      separators: number of symbols that aren't counted by `num_symbols`.
    """

    num_shards = 10
    train_length = 40
    dev_length = 400
    train_size = 100_000
    dev_size = 10_000
    separators = 0

    @property
    def num_symbols(self) -> int:
        """The number of symbols, which are numbers from 0."""
        raise NotImplementedError(f"{type(self).__name__} has no num_symbols")

    def generator(self, nbr_symbols: int, max_length: int, nbr_cases: int) -> Samples:
        """Yields dicts of lists of symbols.

        Args:
          nbr_symbols: how many symbols to draw from.
          max_length: of the inputs.
          nbr_cases: how many dicts to yield.
        """
        raise NotImplementedError(f"{type(self).__name__} has no generator")

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": self.num_shards},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def generate_encoded_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        size = self.train_length, self.train_size
        if dataset_split != problem.DatasetSplit.TRAIN:
            size = self.dev_length, self.dev_size
        reserved = text.NUM_RESERVED_TOKENS
        for case in self.generator(self.num_symbols, *size):
            yield {
                feature: [*(symbol + reserved for symbol in symbols), text.EOS_ID]
                for feature, symbols in case.items()
            }

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        encoder = Symbols(self.num_symbols + self.separators)
        return {"inputs": encoder, "targets": encoder}


def _draw(nbr_symbols: int, max_length: int) -> list[int]:
    """Draws up to `max_length` symbols, and at least one."""
    length = int(np.random.randint(max_length)) + 1
    drawn: list[int] = np.random.randint(nbr_symbols, size=length).tolist()
    return drawn


@registry.register_problem
class AlgorithmicIdentityBinary40(AlgorithmicProblem):
    """A sequence of two symbols -> the same; up to 40 for training, 400 for evaluation."""

    num_symbols = 2

    def generator(self, nbr_symbols: int, max_length: int, nbr_cases: int) -> Samples:
        for _ in range(nbr_cases):
            inputs = _draw(nbr_symbols, max_length)
            yield {"inputs": inputs, "targets": inputs}


@registry.register_problem
class AlgorithmicIdentityDecimal40(AlgorithmicIdentityBinary40):
    """A sequence of ten symbols -> the same."""

    num_symbols = 10


@registry.register_problem
class AlgorithmicIdentityVocab95Train20Eval30(AlgorithmicIdentityBinary40):
    """A sequence of 95 symbols -> the same; up to 20 for training, 30 for evaluation."""

    num_symbols = 95
    train_length = 20
    dev_length = 30
    train_size = 1_000_000


@registry.register_problem
class AlgorithmicShiftDecimal40(AlgorithmicProblem):
    """A sequence of ten symbols -> each plus 10."""

    num_symbols = 20
    dev_length = 80

    def generator(self, nbr_symbols: int, max_length: int, nbr_cases: int) -> Samples:
        shift = 10
        for _ in range(nbr_cases):
            inputs = _draw(nbr_symbols - shift, max_length)
            yield {"inputs": inputs, "targets": [symbol + shift for symbol in inputs]}


@registry.register_problem
class AlgorithmicReverseBinary40(AlgorithmicProblem):
    """A sequence of two symbols -> the same backwards."""

    num_symbols = 2

    def generator(self, nbr_symbols: int, max_length: int, nbr_cases: int) -> Samples:
        for _ in range(nbr_cases):
            inputs = _draw(nbr_symbols, max_length)
            yield {"inputs": inputs, "targets": inputs[::-1]}


@registry.register_problem
class AlgorithmicReverseDecimal40(AlgorithmicReverseBinary40):
    """A sequence of ten symbols -> the same backwards."""

    num_symbols = 10


@registry.register_problem
class AlgorithmicReverseBinary40Test(AlgorithmicReverseBinary40):
    """A small `algorithmic_reverse_binary40`, for trying things out."""

    train_length = 10
    dev_length = 10
    train_size = 1000
    dev_size = 100
    num_shards = 1


def zipf_distribution(nbr_symbols: int, alpha: float) -> list[float]:
    """Returns the cumulative probabilities, from 0 to 1, of symbols by Zipf's law.

    Args:
      nbr_symbols: how many there are.
      alpha: exponent of the law; 1.1 to 1.6 for natural language.
    """
    total = np.cumsum(np.arange(1, nbr_symbols + 1) ** -float(alpha))
    return [0.0, *(total / total[-1]).tolist()]


def zipf_random_sample(distr_map: Sequence[float], sample_len: int) -> list[int]:
    """Draws `sample_len` symbols by the probabilities of `zipf_distribution`."""
    drawn: list[int] = np.searchsorted(distr_map, np.random.random(sample_len)).tolist()
    return drawn


def reverse_generator_nlplike(
    nbr_symbols: int,
    max_length: int,
    nbr_cases: int,
    scale_std_dev: float = 100,
    alpha: float = 1.5,
) -> Samples:
    """Yields sequences like those of natural language, and the same backwards.

    Args:
      nbr_symbols: how many symbols to draw from, by Zipf's law.
      max_length: the mean length is half of it.
      nbr_cases: how many to yield.
      scale_std_dev: the standard deviation of the length is `max_length` divided by this.
      alpha: exponent of Zipf's law.
    """
    distribution = zipf_distribution(nbr_symbols, alpha)
    for _ in range(nbr_cases):
        length = int(abs(np.random.normal(max_length / 2, max_length / scale_std_dev)) + 1)
        inputs = zipf_random_sample(distribution, length)
        yield {"inputs": inputs, "targets": inputs[::-1]}


@registry.register_problem
class AlgorithmicReverseNlplike8k(AlgorithmicProblem):
    """Sequences with the frequencies of words -> the same backwards; 8,000 symbols."""

    # Zipf's law gives numbers from 1.
    num_symbols = 8_000
    separators = 1
    train_length = 70
    dev_length = 70
    alpha = 1.3

    def generator(self, nbr_symbols: int, max_length: int, nbr_cases: int) -> Samples:
        return reverse_generator_nlplike(nbr_symbols, max_length, nbr_cases, 10, self.alpha)


@registry.register_problem
class AlgorithmicReverseNlplike32k(AlgorithmicReverseNlplike8k):
    """Sequences with the frequencies of words -> the same backwards; 32,000 symbols."""

    num_symbols = 32_000
    alpha = 1.05


def lower_endian_to_number(digits: Sequence[int], base: int) -> int:
    """Returns the number with these digits, the lowest first."""
    return sum(digit * base**place for place, digit in enumerate(digits))


def number_to_lower_endian(number: int, base: int) -> list[int]:
    """Returns the digits of a number, the lowest first."""
    digits = [number % base]
    while number := number // base:
        digits.append(number % base)
    return digits


def random_number_lower_endian(length: int, base: int) -> list[int]:
    """Draws the digits of a number, the lowest first; only 0 itself has the highest digit 0."""
    lower: list[int] = np.random.randint(base, size=length - 1).tolist()
    return [*lower, int(np.random.randint(length > 1, base))]


class _Arithmetic(AlgorithmicProblem):
    """Two numbers with a separator between them -> the result of an operation on them."""

    separators = 1

    def generator(self, nbr_symbols: int, max_length: int, nbr_cases: int) -> Samples:
        base = nbr_symbols
        if max_length < 3:
            raise ValueError(f"max_length is {max_length}; two numbers need at least 3")
        for _ in range(nbr_cases):
            first = int(np.random.randint(max_length // 2)) + 1
            second = int(np.random.randint(max_length - first - 1)) + 1
            numbers = [random_number_lower_endian(length, base) for length in (first, second)]
            result = self.result(*(lower_endian_to_number(digits, base) for digits in numbers))
            inputs = [*numbers[0], base, *numbers[1]]
            yield {"inputs": inputs, "targets": number_to_lower_endian(result, base)}

    def result(self, first: int, second: int) -> int:
        """Returns the result of the operation."""
        raise NotImplementedError


@registry.register_problem
class AlgorithmicAdditionBinary40(_Arithmetic):
    """Two binary numbers, the lowest digits first -> their sum."""

    num_symbols = 2

    def result(self, first: int, second: int) -> int:
        return first + second


@registry.register_problem
class AlgorithmicAdditionDecimal40(AlgorithmicAdditionBinary40):
    """Two decimal numbers, the lowest digits first -> their sum."""

    num_symbols = 10


@registry.register_problem
class AlgorithmicMultiplicationBinary40(_Arithmetic):
    """Two binary numbers, the lowest digits first -> their product."""

    num_symbols = 2

    def result(self, first: int, second: int) -> int:
        return first * second


@registry.register_problem
class AlgorithmicMultiplicationDecimal40(AlgorithmicMultiplicationBinary40):
    """Two decimal numbers, the lowest digits first -> their product."""

    num_symbols = 10


@registry.register_problem
class AlgorithmicSortProblem(AlgorithmicProblem):
    """A sequence of symbols -> the same, sorted.

    Attributes:
      unique: whether the symbols of a sequence differ.
    """

    train_length = 10
    unique = False

    @property
    def dev_length(self) -> int:  # type: ignore[override]
        return self.train_length * 2

    @property
    def num_symbols(self) -> int:
        return max(self.train_length, self.dev_length)

    def generator(self, nbr_symbols: int, max_length: int, nbr_cases: int) -> Samples:
        for _ in range(nbr_cases):
            inputs = _draw(nbr_symbols, max_length)
            if self.unique:
                inputs = np.random.permutation(nbr_symbols)[: len(inputs)].tolist()
            yield {"inputs": inputs, "targets": sorted(inputs)}
