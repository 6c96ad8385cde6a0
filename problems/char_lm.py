"""A character language model of the user's own text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from t2tlite import metrics, problem, registry, text_problems
from t2tlite.errors import DataError

from . import open_ended, splits, text_files

CHUNK_BYTES = 256
_TRAIN_SHARE = 0.9


@registry.register_problem
class CharLmText(text_problems.Text2SelfProblem):
    """A character language model of your own text: UTF-8 files *.txt in --tmp_dir.

    A sample is the next 256 bytes, cut at a character boundary. The first nine tenths of each file
    are for training, the rest for evaluation.
    """

    vocab_type = text_problems.VocabType.CHARACTER
    decode_defaults = open_ended.SAMPLING

    def eval_metrics(self) -> list[str]:
        # Samples start and end within words.
        return [name for name in super().eval_metrics() if name != metrics.Metrics.WORD_PERPLEXITY]

    dataset_splits = splits.TRAIN_EVAL

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        paths = text_files.find(tmp_dir)
        if not paths:
            raise DataError(
                f"{self.name}: found no *.txt in {tmp_dir or 'an empty tmp_dir'}; put UTF-8 text "
                f"files there, or check --tmp_dir"
            )
        for path in paths:
            yield from samples_of(path, dataset_split)


def samples_of(path: Path, dataset_split: str) -> Iterator[dict[str, str]]:
    """Yields the samples of a split of one UTF-8 file."""
    train = dataset_split == problem.DatasetSplit.TRAIN
    first, last = (0.0, _TRAIN_SHARE) if train else (_TRAIN_SHARE, 1.0)
    for chunk in text_files.chunks(path, first, last, CHUNK_BYTES):
        yield {"targets": chunk}
