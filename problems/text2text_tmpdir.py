"""The user's own pairs from files with fixed names in tmp_dir; needs no Python code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite import problem, registry, text_problems
from t2tlite.errors import DataError
from t2tlite.problem_vocabulary import size_in
from t2tlite.text_problems import VocabType

from . import token_vocabulary


@registry.register_problem
class Text2textTmpdir(text_problems.Text2TextProblem):
    """Your own pairs: inputs.train.txt, targets.train.txt, inputs.eval.txt, targets.eval.txt.

    UTF-8 files in --tmp_dir with one text per line; line n of the targets belongs to line n of the
    inputs. t2t-datagen's --vocab_size is the size of the vocabulary in tokens, by default 32,768.
    """

    # t2t-datagen sets vocab_size from its flag. None: that of the data folder, or T2T's.
    takes_vocab_size = True
    vocab_size: int | None = None

    TRAIN_FILES = ("inputs.train.txt", "targets.train.txt")
    EVAL_FILES = ("inputs.eval.txt", "targets.eval.txt")

    @property
    def vocab_type(self) -> str:
        return VocabType.CHARACTER if self.vocab_size == 0 else VocabType.SUBWORD

    @property
    def approx_vocab_size(self) -> int:
        return self.vocab_size or super().approx_vocab_size

    def dataset_to_write(self, data_dir: str, tmp_dir: str) -> Any:
        self._find_vocab_size(data_dir)
        return super().dataset_to_write(data_dir, tmp_dir)

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        self._find_vocab_size(data_dir or "")
        return super().feature_encoders(data_dir)

    def _find_vocab_size(self, data_dir: str) -> None:
        if self.vocab_size is None:
            self.vocab_size = size_in(data_dir, self.dataset_filename())

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
    """The files of text2text_tmpdir, and vocab.txt with one token per line.

    Texts are split at spaces. `<pad>`, `<EOS>` and "<UNK>", which stands for all tokens that
    aren't in vocab.txt, are added to the vocabulary.
    """

    takes_vocab_size = False
    vocab_type = VocabType.TOKEN
    oov_token = "<UNK>"

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        lines = text_problems.txt_line_iterator(Path(tmp_dir).expanduser() / "vocab.txt")
        token_vocabulary.write_once(
            os.path.join(data_dir, self.vocab_filename),
            lambda: [self.oov_token, *filter(None, lines)],
        )
        return super().generate_samples(data_dir, tmp_dir, dataset_split)
