"""How English words are pronounced, on the split of CMUdict that papers report: g014b2b."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems

from . import known_files, token_vocabulary

_TRAIN = known_files.KnownFile(
    "g014b2b.train", 2717073, "5882433c3a14a9a0614b5f724ce74872851092e816852c82d6b74913b2085384"
)
_SOURCE = "CMUdict's split g014b2b (Bisani and Ney's letter-to-phoneme data)"
_HELD_OUT_WORDS = 2500
_SEED = 2026
_LETTERS = "'abcdefghijklmnopqrstuvwxyz"
_PHONEMES = (
    *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH"),
    *("IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH"),
    *("UH", "UW", "V", "W", "Y", "Z", "ZH"),
)


@registry.register_problem
class G2pG014b2b(text_problems.Text2TextProblem):
    """A word's letters -> its phonemes without stress: the training part of CMUdict's g014b2b.

    "h e l l o" -> "HH AH L OW", one TOKEN vocabulary for both. Each of a word's pronunciations is a
    sample. 2,500 words drawn with a fixed seed are for evaluation. Put g014b2b.train into
    --tmp_dir.
    """

    @property
    def vocab_type(self) -> str:
        return text_problems.VocabType.TOKEN

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 10},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def get_or_create_vocab(
        self, data_dir: str, tmp_dir: str | None, force_get: bool = False
    ) -> Any:
        if not force_get:
            path = os.path.join(data_dir, self.vocab_filename)
            token_vocabulary.write_once(path, [*_LETTERS, *_PHONEMES])
        return super().get_or_create_vocab(data_dir, tmp_dir, force_get)

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        path = _TRAIN.find(self.name, tmp_dir, _SOURCE)
        pairs = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        words = sorted({word for word, _ in pairs})
        held_out = set(random.Random(_SEED).sample(words, _HELD_OUT_WORDS))
        for word, phonemes in pairs:
            if (word in held_out) == (dataset_split == problem.DatasetSplit.EVAL):
                yield {"inputs": " ".join(word.lower()), "targets": phonemes}
