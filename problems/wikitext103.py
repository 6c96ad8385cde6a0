"""Language models of WikiText-103: 28,595 good and featured articles of Wikipedia."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems
from t2tlite.config import HParams

from . import archive, splits, token_vocabulary


@registry.register_problem
class LanguagemodelWikitext103(text_problems.Text2SelfProblem):
    """A paragraph of WikiText-103, with its vocabulary of 267,735 words.

    Downloads wikitext-103-v1.zip, unless it or the folder wikitext-103 is in tmp_dir.
    """

    URL = "https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-103-v1.zip"
    # Of a split, whose name comes in between.
    FILE = ("wikitext-103/wiki.", ".tokens")

    dataset_splits = splits.TRAIN_EVAL_TEST
    vocab_type = text_problems.VocabType.TOKEN

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        part = "valid" if dataset_split == problem.DatasetSplit.EVAL else dataset_split
        names = [word.join(self.FILE) for word in ("train", part)]
        train, path = archive.obtain(tmp_dir, self.URL, names)
        if self.vocab_type == text_problems.VocabType.TOKEN:
            token_vocabulary.write_most_frequent(
                os.path.join(data_dir, self.vocab_filename), text_problems.txt_line_iterator(train)
            )
        for line in text_problems.txt_line_iterator(path):
            if line:
                yield {"targets": " ".join(line.split())}


@registry.register_problem
class LanguagemodelWikitext103Characters(LanguagemodelWikitext103):
    """A paragraph of WikiText-103 in bytes.

    Downloads wikitext-103-raw-v1.zip, unless it or the folder wikitext-103-raw is in tmp_dir.
    """

    URL = "https://s3.amazonaws.com/research.metamind.io/wikitext/wikitext-103-raw-v1.zip"
    FILE = ("wikitext-103-raw/wiki.", ".raw")

    vocab_type = text_problems.VocabType.CHARACTER


@registry.register_problem
class LanguagemodelWikitext103L4k(LanguagemodelWikitext103):
    """Consecutive paragraphs of WikiText-103, up to 4,096 words together."""

    sequence_length = 4096

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        words: list[str] = []
        for sample in super().generate_samples(data_dir, tmp_dir, dataset_split):
            paragraph = sample["targets"].split()
            # EOS is a token, too.
            if words and len(words) + len(paragraph) >= self.sequence_length:
                yield {"targets": " ".join(words)}
                words = []
            words += paragraph
        if words:
            yield {"targets": " ".join(words)}

    def max_length(self, model_hparams: HParams) -> int:
        return self.sequence_length


@registry.register_problem
class LanguagemodelWikitext103L16k(LanguagemodelWikitext103L4k):
    """Consecutive paragraphs of WikiText-103, up to 16,384 words together."""

    sequence_length = 16_384
