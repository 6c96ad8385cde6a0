"""Grapheme to phoneme on g014b2b, the split of CMUdict that papers report."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry

from . import splits, token_vocabulary, verified_files

_TRAIN = verified_files.KnownFile(
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
class G2pG014b2b(token_vocabulary.KnownTokensProblem):
    """A word's letters -> its phonemes without stress: the training part of CMUdict's g014b2b.

    "h e l l o" -> "HH AH L OW", one TOKEN vocabulary for both. Each pronunciation of a word is a
    sample. 2,500 words drawn with a fixed seed are for evaluation. Put g014b2b.train into
    --tmp_dir.
    """

    dataset_splits = splits.TRAIN_EVAL

    def tokens(self) -> list[str]:
        return [*_LETTERS, *_PHONEMES]

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        path = _TRAIN.find(self.name, tmp_dir, _SOURCE)
        pairs = [line.split("\t") for line in path.read_text(encoding="utf-8-sig").splitlines()]
        words = sorted({word for word, _ in pairs})
        held_out = set(random.Random(_SEED).sample(words, _HELD_OUT_WORDS))
        for word, phonemes in pairs:
            if (word in held_out) == (dataset_split == problem.DatasetSplit.EVAL):
                yield {"inputs": " ".join(word.lower()), "targets": phonemes}
