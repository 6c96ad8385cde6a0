"""Splits that stay the same on every machine: a hash of the key decides what is held out.

What is held out is a whole group (a poem, a chapter, a word), so that training never sees the
neighbourhood of what it is evaluated on. Of n groups exactly round(share * n) are held out, and at
least one: small data has an evaluation split, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from t2tlite.errors import DataError
from t2tlite.problem import DatasetSplit

Pair = tuple[str, str]


def fraction(key: str) -> float:
    """A number in [0, 1) that depends on `key` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48


def split_groups(
    groups: Mapping[str, Sequence[Pair]], what: str, eval_share: float, test_share: float = 0.0
) -> dict[str, list[Pair]]:
    """Deals out whole groups of pairs, each in the order in which it comes.

    Args:
      groups: pairs by the group's key.
      what: what a group is, for messages: "poem".
      eval_share: share of the groups that evaluation gets.
      test_share: share that the test split gets; 0: there is none.

    Returns:
      Pairs by split: "train", "eval" and "test".

    Raises:
      DataError: there are fewer groups than splits.
    """
    sizes = {DatasetSplit.EVAL: eval_share, DatasetSplit.TEST: test_share}
    wanted = {split: share for split, share in sizes.items() if share > 0}
    if len(groups) <= len(wanted):
        raise DataError(
            f"found {len(groups)} {what}(s); expected {len(wanted) + 1} or more, one for each "
            f"split: add text"
        )
    order = iter(sorted(groups, key=lambda key: (fraction(key), key)))
    split_of = {}
    for split, share in wanted.items():
        for _ in range(max(1, round(share * len(groups)))):
            split_of[next(order)] = split
    splits: dict[str, list[Pair]] = {
        split: [] for split in (DatasetSplit.TRAIN, DatasetSplit.EVAL, DatasetSplit.TEST)
    }
    for key, pairs in groups.items():
        splits[split_of.get(key, DatasetSplit.TRAIN)] += pairs
    return splits


def drop_repeats(splits: Mapping[str, Sequence[Pair]]) -> dict[str, list[Pair]]:
    """Keeps each pair once: in "eval" if it's there, else in "test", else in "train".

    Pairs that differ in case, punctuation or spacing only are the same: two anthologies rarely
    agree on them.
    """
    seen: set[Pair] = set()
    kept: dict[str, list[Pair]] = {}
    for split in (DatasetSplit.EVAL, DatasetSplit.TEST, DatasetSplit.TRAIN):
        kept[split] = []
        for pair in splits[split]:
            form = letters(pair[0]), letters(pair[1])
            if form not in seen:
                seen.add(form)
                kept[split].append(pair)
    return kept


def letters(text: str) -> str:
    """`text` in lower case without anything but letters and digits, for comparison."""
    return "".join(filter(str.isalnum, text.casefold()))


def neighbours(lines: Sequence[str]) -> list[Pair]:
    """Each line with the next."""
    return list(zip(lines, lines[1:], strict=False))


def samples(pairs: Iterable[Pair]) -> Iterator[dict[str, str]]:
    """Yields pairs as the dicts that `generate_samples` promises."""
    for inputs, targets in pairs:
        yield {"inputs": inputs, "targets": targets}
