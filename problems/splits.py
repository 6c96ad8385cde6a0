"""Deterministic splits of the built-in problems: a hash of the key decides what is held out.

Whole groups (a poem, a chapter, a word) are held out, so that training never sees the context of
evaluation samples. Of n groups exactly round(share * n) are held out, and at least one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from t2tlite.errors import DataError
from t2tlite.problem import DatasetSplit

Pair = tuple[str, str]

TRAIN_EVAL = [
    {"split": DatasetSplit.TRAIN, "shards": 10},
    {"split": DatasetSplit.EVAL, "shards": 1},
]
TRAIN_EVAL_TEST = [*TRAIN_EVAL, {"split": DatasetSplit.TEST, "shards": 1}]


def fraction(key: str) -> float:
    """Returns a number in [0, 1): a hash of `key`."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48


def split_groups(
    groups: Mapping[str, Sequence[Pair]], kind: str, eval_share: float, test_share: float = 0.0
) -> dict[str, list[Pair]]:
    """Assigns whole groups of pairs to splits; the order of groups and pairs stays.

    Args:
      groups: pairs by the group's key.
      kind: what a group is, for messages: "poem".
      eval_share: share of the groups for evaluation.
      test_share: share of the groups for test; 0: no test split.

    Returns:
      Pairs by split: "train", "eval" and "test".

    Raises:
      DataError: there are fewer groups than splits.
    """
    sizes = {DatasetSplit.EVAL: eval_share, DatasetSplit.TEST: test_share}
    shares = {split: share for split, share in sizes.items() if share > 0}
    if len(groups) <= len(shares):
        raise DataError(
            f"found {len(groups)} {kind}(s); expected {len(shares) + 1} or more, one for each "
            f"split: add text"
        )
    order = iter(sorted(groups, key=lambda key: (fraction(key), key)))
    split_of = {}
    for split, share in shares.items():
        for _ in range(max(1, round(share * len(groups)))):
            split_of[next(order)] = split
    splits: dict[str, list[Pair]] = {
        split: [] for split in (DatasetSplit.TRAIN, DatasetSplit.EVAL, DatasetSplit.TEST)
    }
    for key, pairs in groups.items():
        splits[split_of.get(key, DatasetSplit.TRAIN)] += pairs
    return splits


def drop_repeats(splits: Mapping[str, Sequence[Pair]]) -> dict[str, list[Pair]]:
    """Keeps each pair once: in "eval" if it occurs there, else in "test", else in "train".

    Pairs that differ only in case, punctuation or spacing count as equal: anthologies rarely agree
    on these.
    """
    seen: set[Pair] = set()
    unique: dict[str, list[Pair]] = {}
    for split in (DatasetSplit.EVAL, DatasetSplit.TEST, DatasetSplit.TRAIN):
        unique[split] = []
        for pair in splits[split]:
            form = letters(pair[0]), letters(pair[1])
            if form not in seen:
                seen.add(form)
                unique[split].append(pair)
    return unique


def letters(text: str) -> str:
    """Returns the letters and digits of `text` in lower case, for comparison."""
    return "".join(filter(str.isalnum, text.casefold()))


def neighbours(lines: Sequence[str]) -> list[Pair]:
    """Returns each line paired with the next."""
    return list(zip(lines, lines[1:], strict=False))


def samples(pairs: Iterable[Pair]) -> Iterator[dict[str, str]]:
    """Yields pairs as samples: dicts with "inputs" and "targets"."""
    for inputs, targets in pairs:
        yield {"inputs": inputs, "targets": targets}
