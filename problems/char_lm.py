"""A language model of the user's own text, character by character."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import metrics, problem, registry, text_problems
from t2tlite.errors import DataError

from . import text_files

CHUNK_BYTES = 256
_TRAIN_SHARE = 0.9


@registry.register_problem
class CharLmText(text_problems.Text2SelfProblem):
    """A character language model of your own text: UTF-8 files *.txt in --tmp_dir.

    A sample is the next 256 bytes, less where a character would be cut in two. Of each file the
    first nine tenths are for training and the rest for evaluation, so that no text is in both.
    """

    @property
    def vocab_type(self) -> str:
        return text_problems.VocabType.CHARACTER

    def eval_metrics(self) -> list[str]:
        # A sample begins and ends within words.
        return [one for one in super().eval_metrics() if one != metrics.Metrics.WORD_PERPLEXITY]

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 10},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        paths = text_files.find(tmp_dir)
        if not paths:
            raise DataError(
                f"{self.name}: found no *.txt in {tmp_dir or 'an empty tmp_dir'}; put UTF-8 text "
                f"files there, or check --tmp_dir"
            )
        train = dataset_split == problem.DatasetSplit.TRAIN
        stretch = (0.0, _TRAIN_SHARE) if train else (_TRAIN_SHARE, 1.0)
        for path in paths:
            for chunk in text_files.chunks(path, *stretch, CHUNK_BYTES):
                yield {"targets": chunk}
