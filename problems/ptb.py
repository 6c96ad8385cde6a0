"""Language models of the Penn Treebank, as Mikolov prepared it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite import problem, registry, text_problems

from . import archive, splits, token_vocabulary


@registry.register_problem
class LanguagemodelPtb10k(text_problems.Text2SelfProblem):
    """A line of the Penn Treebank, with its vocabulary of 10,000 words.

    Downloads simple-examples.tgz, unless it or its files below simple-examples/data are in tmp_dir.
    """

    URL = "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"
    # Of the training and the evaluation split.
    FILES = ("simple-examples/data/ptb.train.txt", "simple-examples/data/ptb.valid.txt")

    dataset_splits = splits.TRAIN_EVAL
    vocab_type = text_problems.VocabType.TOKEN
    vocab_filename = "vocab.lmptb.10000"

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        train, valid = archive.obtain(tmp_dir, self.URL, self.FILES)
        self._write_vocabulary(data_dir, train)
        path = train if dataset_split == problem.DatasetSplit.TRAIN else valid
        for line in text_problems.txt_line_iterator(path):
            yield {"targets": " ".join(line.split())}

    def _write_vocabulary(self, data_dir: str, train: Path) -> None:
        # One of the 10,000 is the end of a line, EOS.
        token_vocabulary.write_most_frequent(
            os.path.join(data_dir, self.vocab_filename),
            text_problems.txt_line_iterator(train),
            9_999,
        )


@registry.register_problem
class LanguagemodelPtbCharacters(LanguagemodelPtb10k):
    """A line of the Penn Treebank in characters, which spaces separate; a space is "_".

    Downloads simple-examples.tgz, unless it or its files below simple-examples/data are in tmp_dir.
    """

    FILES = ("simple-examples/data/ptb.char.train.txt", "simple-examples/data/ptb.char.valid.txt")

    vocab_type = text_problems.VocabType.CHARACTER

    def _write_vocabulary(self, data_dir: str, train: Path) -> None:
        """Writes none: the tokens are bytes."""
