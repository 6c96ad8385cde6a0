"""A user's own pairs, without a line of Python: files of fixed names in tmp_dir."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite import problem, registry, text_problems
from t2tlite.errors import DataError

from . import token_vocabulary


@registry.register_problem
class Text2textTmpdir(text_problems.Text2TextProblem):
    """Your own pairs: inputs.train.txt, targets.train.txt, inputs.eval.txt, targets.eval.txt.

    UTF-8 files in --tmp_dir with a text on each line; line n of the targets belongs to line n of
    the inputs.
    """

    TRAIN_FILES = ("inputs.train.txt", "targets.train.txt")
    EVAL_FILES = ("inputs.eval.txt", "targets.eval.txt")

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        train = dataset_split == problem.DatasetSplit.TRAIN
        folder = Path(tmp_dir).expanduser()
        missing = [
            name for name in (*self.TRAIN_FILES, *self.EVAL_FILES) if not (folder / name).exists()
        ]
        if missing:
            raise DataError(
                f"{self.name}: {folder} has no {', '.join(missing)}; put a text on each line of "
                f"them, or check --tmp_dir"
            )
        inputs, targets = self.TRAIN_FILES if train else self.EVAL_FILES
        return text_problems.text2text_txt_iterator(folder / inputs, folder / targets)


@registry.register_problem
class Text2textTmpdirTokens(Text2textTmpdir):
    """The files of text2text_tmpdir, and vocab.txt with a token on each line.

    Texts are split at spaces. `<pad>`, `<EOS>` and "<UNK>", which stands for all tokens that
    vocab.txt lacks, are added to it.
    """

    @property
    def vocab_type(self) -> str:
        return text_problems.VocabType.TOKEN

    @property
    def oov_token(self) -> str:
        return "<UNK>"

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        path = os.path.join(data_dir, self.vocab_filename)
        if not os.path.exists(path):
            vocabulary = Path(tmp_dir).expanduser() / "vocab.txt"
            tokens = filter(None, text_problems.txt_line_iterator(vocabulary))
            token_vocabulary.write_once(path, [self.oov_token, *tokens])
        return super().generate_samples(data_dir, tmp_dir, dataset_split)
