"""A synthetic task that a small model learns in a minute, to test the whole pipeline."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry

from . import splits, token_vocabulary

_MAX_DIGITS = 10
# There are only 110 sequences of one or two digits, too few to hold some out.
_MIN_EVAL_DIGITS = 3
_EVAL_SHARE = 0.1
_SAMPLES = {problem.DatasetSplit.TRAIN: 20_000, problem.DatasetSplit.EVAL: 500}


@registry.register_problem
class ReverseDigits(token_vocabulary.KnownTokensProblem):
    """Digits -> the same digits backwards: "3 1 4" -> "4 1 3"; synthetic, learned in a minute.

    20,000 training samples of 1 to 10 digits and 500 evaluation samples of 3 to 10 digits that
    don't occur in training. The samples are always the same.
    """

    dataset_splits = [{"split": split, "shards": 1} for split in _SAMPLES]

    def tokens(self) -> str:
        return "0123456789"

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        evaluation = dataset_split == problem.DatasetSplit.EVAL
        generator = random.Random(dataset_split)
        count = 0
        while count < _SAMPLES[dataset_split]:
            length = generator.randint(_MIN_EVAL_DIGITS if evaluation else 1, _MAX_DIGITS)
            digits = generator.choices("0123456789", k=length)
            held_out = splits.fraction("".join(digits)) < _EVAL_SHARE
            if (held_out and length >= _MIN_EVAL_DIGITS) == evaluation:
                count += 1
                yield {"inputs": " ".join(digits), "targets": " ".join(reversed(digits))}
