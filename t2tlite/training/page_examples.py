"""What the training data say of the web page of t2t-server: lines to begin with, and its form."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from t2tlite.batches.examples import Examples
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.problem_page import ANSWER, LINES, PageTexts
from t2tlite.text.encoder import text_ids

log = logging.getLogger(__name__)

# Examples that are looked at, a random part of all.
MOST_READ = 20_000
# Of them are read at a time.
_CHUNK = 1024
# Lines to begin with.
COUNT = 24
# The lengths of such a line in characters: best, and longest.
_LENGTHS = range(12, 81)
_LONGEST = 300
# Where a sentence or a line ends.
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
# Words of a language model's text that are taken as its beginning.
_WORDS = 6
# Shorter targets are inputs by chance; in tokens without EOS.
_LEAST_TOKENS = 3
# The least share of the targets that are inputs, of the share that chains of lines would give.
_CHAINED = 0.3


def take_page(
    run: RunRecord, examples: Examples, encoders: Mapping[str, Any], prefixes: Mapping[str, str]
) -> None:
    """Adds to a run record what the page of its model says, where the problem leaves it open.

    Args:
      run: with a description.
      examples: of the training split, with the features "inputs", if any, and "targets".
      encoders: of the inputs, or of a language model's targets, by feature.
      prefixes: the text that the problem puts before every text, by feature.
    """
    description = run.description
    if description is None:
        return
    page, has_lines = description.page, description.kind in ("text2text", "problem")
    wants_form = not page.form and description.has_inputs and has_lines
    wants_examples = run.trained_problem().page_examples is None
    if not (wants_form or wants_examples):
        return
    feature = "inputs" if description.has_inputs else "targets"
    names = {feature, "targets"} if wants_form or page.form == LINES else {feature}
    rows = list(_part(examples, names))
    if wants_form:
        share = len(rows) / len(examples.lengths)
        page = dataclasses.replace(page, form=LINES if _are_chained(rows, share) else ANSWER)
    if wants_examples and feature in encoders:
        texts = _texts(_openings(rows, feature, page), encoders[feature], prefixes[feature])
        try:
            chosen = _chosen(texts, is_beginning=not description.has_inputs)
        except Exception as error:
            # An encoder of a plugin's; training doesn't decode.
            log.info("the %s can't be decoded, so the page has no examples: %s", feature, error)
            chosen = []
        page = dataclasses.replace(page, examples=chosen)
    run.description = dataclasses.replace(description, page=page)


def _part(examples: Examples, names: Collection[str]) -> Iterator[dict[str, tuple[int, ...]]]:
    """Yields the ids, without EOS, of random examples by feature, in the order of the shards.

    Lines that follow each other may be anywhere: t2t-datagen deals samples out to the shards.
    """
    count = len(examples.lengths)
    numbers = np.random.default_rng(0).choice(count, min(count, MOST_READ), replace=False)
    numbers.sort()
    for first in range(0, len(numbers), _CHUNK):
        chunk = numbers[first : first + _CHUNK]
        columns = {}
        for column, ids in enumerate(examples.ids(chunk)):
            if (name := examples.names[column]) in names:
                ends = np.cumsum(examples.lengths[chunk, column])[:-1]
                columns[name] = [tuple(text_ids(one.tolist())) for one in np.split(ids, ends)]
        for row in zip(*columns.values(), strict=True):
            yield dict(zip(columns, row, strict=True))


def _are_chained(rows: Sequence[dict[str, tuple[int, ...]]], share: float) -> bool:
    """Whether targets are inputs of other examples, as the lines of a poem are.

    Args:
      rows: ids by feature.
      share: of all examples, which is the share of the targets whose own example is in `rows`.
    """
    inputs = {row["inputs"] for row in rows}
    targets = [row["targets"] for row in rows if row["targets"] != row["inputs"]]
    targets = [ids for ids in targets if len(ids) >= _LEAST_TOKENS]
    found = sum(ids in inputs for ids in targets)
    return found > _CHAINED * share * len(targets)


def _openings(
    rows: Sequence[dict[str, tuple[int, ...]]], feature: str, page: PageTexts
) -> list[tuple[int, ...]]:
    """Returns the inputs in random order; of lines first those that follow no other."""
    lines = list(dict.fromkeys(row[feature] for row in rows))
    random.Random(0).shuffle(lines)
    if page.form == LINES:
        later = {row["targets"] for row in rows}
        lines.sort(key=lambda ids: ids in later)
    return lines


def _texts(lines: Sequence[tuple[int, ...]], encoder: Any, prefix: str) -> Iterator[str]:
    for ids in lines:
        yield encoder.decode(list(ids)).removeprefix(prefix)


def _beginning(text: str) -> str:
    """Returns the first words of a sentence, or at least of a word: a sample may begin anywhere."""
    sentence = [*_SENTENCE.split(text, maxsplit=1), ""][1].split()
    words = sentence if len(sentence) > _WORDS else text.split()[1:]
    return " ".join(words[:_WORDS])


def _chosen(texts: Iterator[str], is_beginning: bool) -> list[str]:
    """Returns the first texts of a good length that can be printed; others if there are few."""
    good: list[str] = []
    others: list[str] = []
    # Of long documents there may be no good one.
    for text in itertools.islice(texts, 20 * COUNT):
        if is_beginning:
            text = _beginning(text)
        text = text.strip()
        if not text.isprintable() or not text or len(text) > _LONGEST or "\ufffd" in text:
            continue
        (good if len(text) in _LENGTHS else others).append(text)
        if len(good) == COUNT:
            break
    return list(dict.fromkeys([*good, *others]))[:COUNT]
