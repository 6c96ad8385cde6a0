"""The next line of a poem, from the user's own poems or seven anthologies."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from t2tlite import registry, text_problems

from . import gutenberg, open_ended, splits, text_files

log = logging.getLogger(__name__)

# A poem is a list of stanzas, a stanza a list of lines.
Poem = list[list[str]]


@registry.register_problem
class PoetryLineProblem(text_problems.Text2TextProblem):
    """A line of verse -> the next line, from your own poems or seven Gutenberg anthologies.

    Your own poems are UTF-8 files *.txt in --tmp_dir with blank lines between poems; every block of
    two or more lines is used unchanged. If there are none, the anthologies are downloaded into
    --tmp_dir as pg574.txt and so on, checked for completeness and against the checksums of the
    first download; only their verse is used.

    Pairs never cross a blank line. A hash of the first line selects a twentieth of the poems for
    evaluation and another for test; a pair that occurs in two splits, such as a refrain, is removed
    from training.
    """

    approx_vocab_size = 2**13
    dataset_splits = splits.TRAIN_EVAL_TEST
    decode_defaults = open_ended.SAMPLING
    page_form = "lines"
    page_title = "A poem, line by line"

    def generate_samples(
        self, data_dir: str, tmp_dir: str, dataset_split: str
    ) -> Iterator[dict[str, Any]]:
        groups: dict[str, list[splits.Pair]] = {}
        for poem in self._poems(tmp_dir):
            # A poem that is in two anthologies is one group.
            pairs = groups.setdefault(splits.letters(poem[0][0]), [])
            for stanza in poem:
                pairs += splits.neighbours(stanza)
        split = splits.split_groups(groups, "poem", eval_share=0.05, test_share=0.05)
        yield from splits.samples(splits.drop_repeats(split)[dataset_split])

    def _poems(self, tmp_dir: str) -> Iterator[Poem]:
        own = [path for path in text_files.find(tmp_dir) if not gutenberg.is_cached_book(path)]
        if own:
            log.info("%s: reading %s", self.name, ", ".join(map(str, own)))
            for path in own:
                yield from _own_poems(text_files.read(path))
        else:
            for number in gutenberg.BOOKS:
                yield from gutenberg.poems(gutenberg.book(tmp_dir, number))


def _own_poems(text: str) -> Iterator[Poem]:
    block: list[str] = []
    for line in [*text.split("\n"), ""]:
        if line := line.strip():
            block.append(line)
        else:
            if len(block) > 1:
                yield [block]
            block = []
