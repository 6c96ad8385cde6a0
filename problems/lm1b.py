"""Language models of the One Billion Word Benchmark (Chelba et al. 2013)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite import download, problem, registry, text_problems

from . import archive

_FOLDER = "1-billion-word-language-modeling-benchmark-r13output"
_TRAIN_FILES = [
    f"{_FOLDER}/training-monolingual.tokenized.shuffled/news.en-{number:05d}-of-00100"
    for number in range(1, 100)
]
_EVAL_FILES = [f"{_FOLDER}/heldout-monolingual.tokenized.shuffled/news.en.heldout-00000-of-00050"]
_UNKNOWN = "UNK"


def _original_vocab(tmp_dir: str | os.PathLike[str], url: str) -> set[str]:
    """Returns the words that published perplexities count; downloads the list if it is missing."""
    name = os.path.basename(url)
    # T2T saved it under the second name.
    known = [path for path in (Path(tmp_dir, name), Path(tmp_dir, f"{name}.en")) if path.exists()]
    path = known[0] if known else download.maybe_download(tmp_dir, name, url)
    return set(text_problems.txt_line_iterator(path))


def _replace_oov(original_vocab: set[str], line: str) -> str:
    """Returns a line with UNK in place of the words that aren't in the vocabulary."""
    return " ".join(word if word in original_vocab else _UNKNOWN for word in line.split())


@registry.register_problem
class LanguagemodelLm1b32k(text_problems.Text2SelfProblem):
    """A sentence of the One Billion Word Benchmark; words outside its vocabulary are UNK.

    Downloads the archive and vocab-2016-09-10.txt, unless its folder and the list of words are in
    tmp_dir. Evaluation is on the first of the 50 parts that are held out, as in T2T.
    """

    URL = f"http://www.statmt.org/lm-benchmark/{_FOLDER}.tar.gz"
    VOCABULARY_URL = "http://download.tensorflow.org/models/LM_LSTM_CNN/vocab-2016-09-10.txt"

    approx_vocab_size = 2**15
    max_samples_for_vocab = 63_000

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        train = dataset_split == problem.DatasetSplit.TRAIN
        paths = archive.obtain(tmp_dir, self.URL, _TRAIN_FILES if train else _EVAL_FILES)
        words = _original_vocab(Path(tmp_dir).expanduser(), self.VOCABULARY_URL)
        for path in paths:
            for line in text_problems.txt_line_iterator(path):
                yield {"targets": _replace_oov(words, line)}


@registry.register_problem
class LanguagemodelLm1b8k(LanguagemodelLm1b32k):
    """languagemodel_lm1b32k with a vocabulary of 8,192 tokens."""

    approx_vocab_size = 2**13


@registry.register_problem
class LanguagemodelLm1b32kPacked(LanguagemodelLm1b32k):
    """languagemodel_lm1b32k, for rows of 256 tokens if the hparam batching is "pack"."""

    packed_length = 256

    @property
    def vocab_filename(self) -> str:
        return LanguagemodelLm1b32k().vocab_filename


@registry.register_problem
class LanguagemodelLm1b8kPacked(LanguagemodelLm1b8k):
    """languagemodel_lm1b8k, for rows of 256 tokens if the hparam batching is "pack"."""

    packed_length = 256

    @property
    def vocab_filename(self) -> str:
        return LanguagemodelLm1b8k().vocab_filename


@registry.register_problem
class LanguagemodelLm1bCharacters(LanguagemodelLm1b32k):
    """languagemodel_lm1b32k in bytes."""

    vocab_type = text_problems.VocabType.CHARACTER


@registry.register_problem
class LanguagemodelLm1bCharactersPacked(LanguagemodelLm1bCharacters):
    """languagemodel_lm1b_characters, for rows of 1,024 tokens if the hparam batching is "pack"."""

    packed_length = 1024
