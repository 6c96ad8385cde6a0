"""The synthetic problems: what they yield, and their data."""

from typing import Any

import numpy as np
import pytest

from t2tlite import registry
from t2tlite.data import manifest

RESULTS = {
    "algorithmic_identity_binary40": lambda symbols: symbols,
    "algorithmic_identity_vocab95_train20_eval30": lambda symbols: symbols,
    "algorithmic_shift_decimal40": lambda symbols: [symbol + 10 for symbol in symbols],
    "algorithmic_reverse_decimal40": lambda symbols: symbols[::-1],
    "algorithmic_reverse_nlplike8k": lambda symbols: symbols[::-1],
    "algorithmic_sort_problem": sorted,
}


@pytest.fixture(autouse=True)
def seed() -> None:
    np.random.seed(3)


def samples(problem: Any, count: int) -> list[dict[str, list[int]]]:
    return list(problem.generator(problem.num_symbols, problem.train_length, count))


@pytest.mark.parametrize("name", RESULTS)
def test_sequences(name: str) -> None:
    problem = registry.problem(name)
    made = samples(problem, 200)
    assert len({len(one["inputs"]) for one in made}) > 1
    assert len({tuple(one["inputs"]) for one in made}) > 100
    vocab_size = problem.feature_encoders("")["inputs"].vocab_size
    for one in made:
        assert one["targets"] == RESULTS[name](one["inputs"])
        assert min(one["inputs"]) >= 0 and max(one["targets"]) + 2 < vocab_size
        assert 1 <= len(one["inputs"]) <= problem.train_length


def number(digits: list[int], base: int) -> int:
    assert len(digits) == 1 or digits[-1] != 0
    return sum(digit * base**place for place, digit in enumerate(digits))


@pytest.mark.parametrize("operation", ["addition", "multiplication"])
@pytest.mark.parametrize(("kind", "base"), [("binary", 2), ("decimal", 10)])
def test_arithmetic(operation: str, kind: str, base: int) -> None:
    problem = registry.problem(f"algorithmic_{operation}_{kind}40")
    for one in samples(problem, 200):
        place = one["inputs"].index(base)
        first = number(one["inputs"][:place], base)
        second = number(one["inputs"][place + 1 :], base)
        result = first + second if operation == "addition" else first * second
        assert number(one["targets"], base) == result
        assert len(one["inputs"]) <= 40
    assert problem.feature_encoders("")["inputs"].vocab_size == base + 3
    with pytest.raises(ValueError, match="two numbers need at least 3"):
        next(problem.generator(base, 2, 1))


def test_unique_symbols() -> None:
    problem = registry.problem("algorithmic_sort_problem")
    type(problem).unique = True
    try:
        made = samples(problem, 50)
    finally:
        type(problem).unique = False
    assert all(len(set(one["inputs"])) == len(one["inputs"]) for one in made)


def test_data(tmp_path: Any) -> None:
    problem = registry.problem("algorithmic_reverse_binary40_test")
    problem.generate_data(str(tmp_path), str(tmp_path))
    made = manifest.read(str(tmp_path), problem.name)
    assert made is not None
    assert {split: one.examples for split, one in made.splits.items()} == {
        "train": 1000,
        "eval": 100,
    }
    encoder = problem.feature_encoders("")["inputs"]
    assert (encoder.encode("1 0 1"), encoder.decode([3, 2, 3])) == ([3, 2, 3], "1 0 1")
    hparams = problem.get_hparams(None, str(tmp_path))
    assert hparams.vocab_size == {"inputs": 4, "targets": 4}
