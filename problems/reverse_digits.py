"""A task that a small model learns in a minute: what tells whether the whole pipeline works."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems

from . import splits, token_vocabulary

_MAX_DIGITS = 10
# There are 110 sequences of one or two digits: too few to hold any of them back.
_MIN_EVAL_DIGITS = 3
_EVAL_SHARE = 0.1
_SAMPLES = {problem.DatasetSplit.TRAIN: 20_000, problem.DatasetSplit.EVAL: 500}


@registry.register_problem
class ReverseDigits(text_problems.Text2TextProblem):
    """Digits -> the same digits backwards: "3 1 4" -> "4 1 3"; made up, learned in a minute.

    20,000 training samples of 1 to 10 digits and 500 of 3 to 10 for evaluation, none of which
    occurs in training. Always the same ones.
    """

    @property
    def vocab_type(self) -> str:
        return text_problems.VocabType.TOKEN

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [{"split": split, "shards": 1} for split in _SAMPLES]

    def get_or_create_vocab(
        self, data_dir: str, tmp_dir: str | None, force_get: bool = False
    ) -> Any:
        if not force_get:
            path = os.path.join(data_dir, self.vocab_filename)
            token_vocabulary.write_once(path, "0123456789")
        return super().get_or_create_vocab(data_dir, tmp_dir, force_get)

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        evaluation = dataset_split == problem.DatasetSplit.EVAL
        source = random.Random(dataset_split)
        made = 0
        while made < _SAMPLES[dataset_split]:
            length = source.randint(_MIN_EVAL_DIGITS if evaluation else 1, _MAX_DIGITS)
            digits = source.choices("0123456789", k=length)
            held_out = splits.fraction("".join(digits)) < _EVAL_SHARE
            if (held_out and length >= _MIN_EVAL_DIGITS) == evaluation:
                made += 1
                yield {"inputs": " ".join(digits), "targets": " ".join(reversed(digits))}
