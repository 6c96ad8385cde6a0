"""Statistics of a data folder: lengths, fallback tokens, empty texts, examples shared by splits.

Every record is read once. Memory doesn't grow with the training split; for the other splits, 16
bytes per example are kept: hashes of the pair and of its inputs.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from t2tlite import console
from t2tlite.data.records import read_examples
from t2tlite.errors import DataError
from t2tlite.text import EOS_ID, PAD_ID, RealEncoder, strip_ids

# The features that hold text or a label.
FEATURES = ("inputs", "targets")

# Records whose ids are counted by one call of NumPy.
_CHUNK = 4096

Ids = dict[str, list[int]]
Array = np.ndarray[Any, Any]


@dataclass
class FeatureSummary:
    """One feature of a split.

    Attributes:
      tokens: sum of the lengths, EOS included, as in the manifest.
      lengths: number of examples by length.
      fallback: tokens for text without a token of its own; None: the encoder doesn't know them.
      empty: examples without text.
    """

    tokens: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    fallback: int | None = 0
    empty: int = 0

    def percentile(self, percent: float) -> int:
        """Returns the least length that `percent` of the examples don't exceed, or 0."""
        limit = percent / 100 * self.lengths.total()
        lengths = sorted(self.lengths)
        counts = itertools.accumulate(self.lengths[length] for length in lengths)
        return next((n for n, count in zip(lengths, counts, strict=True) if count >= limit), 0)


@dataclass
class Shared:
    """Examples of a split that an earlier split has too.

    Attributes:
      pairs: examples whose inputs and targets both occur in the earlier split.
      inputs: examples whose inputs occur there with any targets; None: there are no inputs.
      shown: some of the shared pairs.
    """

    pairs: int = 0
    inputs: int | None = None
    shown: list[Ids] = field(default_factory=list)


@dataclass
class SplitSummary:
    """One split.

    Attributes:
      examples: number of records.
      features: by name.
      shared: by earlier split, for example train.
      first: the first examples of the first shard; shards are shuffled.
      empty: some examples with an empty feature.
    """

    examples: int = 0
    features: dict[str, FeatureSummary] = field(default_factory=dict)
    shared: dict[str, Shared] = field(default_factory=dict)
    first: list[Ids] = field(default_factory=list)
    empty: list[Ids] = field(default_factory=list)


def summarize(
    shards: Mapping[str, Sequence[str]],
    encoders: Mapping[str, Any],
    prefixes: Mapping[str, str],
    shown: int = 0,
) -> dict[str, SplitSummary]:
    """Reads splits and summarizes them.

    Args:
      shards: paths by split, the training split first. Each split is compared with those before it.
      encoders: by feature, for the data as it is on disk.
      prefixes: by feature, the text before all texts; an example with nothing else is empty.
      shown: examples of each kind to keep for display.

    Returns:
      A summary of each split, in the order of `shards`.

    Raises:
      DataError: a shard is damaged, or its ids aren't those of the encoders.
    """
    names = [name for name in FEATURES if name in encoders]
    counters = [_FeatureCounter(name, encoders[name], prefixes.get(name, "")) for name in names]
    numbers = {counter.name for counter in counters if counter.holds_numbers}
    summaries: dict[str, SplitSummary] = {}
    later: dict[str, list[_Hashes]] = {}
    # The training split, which is large, is read last, so that its hashes needn't be kept.
    for split in reversed(list(shards)):
        keep = split != next(iter(shards))
        summary = SplitSummary(features={counter.name: counter.summary() for counter in counters})
        own_hashes: list[Array] = []
        for chunk in _chunks(split, _read_ids(shards[split], names, numbers)):
            summary.first += chunk[: max(shown - summary.examples, 0)]
            summary.examples += len(chunk)
            for counter in counters:
                counter.count(chunk, split, summary, shown)
            columns = _hash_examples(chunk, names) if keep or later else np.zeros((0, 0), np.int64)
            own_hashes += [columns] if keep else []
            for other, hashes in later.items():
                rows, *_ = [h.mark(column) for h, column in zip(hashes, columns, strict=True)]
                shared = summaries[other].shared.setdefault(split, Shared())
                shared.shown += [chunk[row] for row in rows[: max(shown - len(shared.shown), 0)]]
        for other, hashes in later.items():
            shared = summaries[other].shared.setdefault(split, Shared())
            shared.pairs, *inputs = [column.count_marked() for column in hashes]
            shared.inputs = inputs[0] if inputs else None
        if own_hashes:
            later[split] = [_Hashes(column) for column in np.concatenate(own_hashes, axis=1)]
        summaries[split] = summary
    return {split: summaries[split] for split in shards}


class _FeatureCounter:
    def __init__(self, name: str, encoder: Any, prefix: str):
        self.name = name
        # A plugin's own encoder may lack either of these.
        fallback = getattr(encoder, "fallback_ids", None)
        self._fallback = None if fallback is None else sorted(fallback)
        # A class label is never empty, nor are numbers, which have no ids.
        self._vocab_size = _vocab_size(encoder)
        self.holds_numbers = isinstance(encoder, RealEncoder)
        self._has_text = (
            self._vocab_size is not None and getattr(encoder, "num_reserved_ids", None) != 0
        )
        self._prefix_ids = list(encoder.encode(prefix)) if prefix and self._has_text else []

    def summary(self) -> FeatureSummary:
        """Returns an empty summary."""
        return FeatureSummary(fallback=None if self._fallback is None else 0)

    def count(self, chunk: list[Ids], split: str, to: SplitSummary, shown: int) -> None:
        """Adds examples to a summary.

        Raises:
          DataError: an id is outside the vocabulary.
        """
        summary = to.features[self.name]
        lengths = [len(example[self.name]) for example in chunk]
        summary.lengths.update(lengths)
        summary.tokens += sum(lengths)
        if self._vocab_size is None:
            return
        flat = itertools.chain.from_iterable(example[self.name] for example in chunk)
        ids = np.fromiter(flat, np.int64, sum(lengths))
        wrong = ids[(ids < 0) | (ids >= self._vocab_size)]
        if len(wrong):
            raise DataError(
                f"{split} holds id {wrong[0]} in {self.name}, and the vocabulary has "
                f"{self._vocab_size} ids; restore the vocabulary that the data was generated with, "
                f"or run t2t-datagen --overwrite"
            )
        if self._fallback and summary.fallback is not None:
            counts = np.bincount(ids, minlength=self._vocab_size)
            summary.fallback += int(counts[self._fallback].sum())
        if not self._has_text:
            return
        for example, length in zip(chunk, lengths, strict=True):
            # A quick check first: an empty example is the prefix and EOS.
            if length > len(self._prefix_ids) + 1:
                continue
            if strip_ids(example[self.name], (PAD_ID, EOS_ID)) == self._prefix_ids:
                summary.empty += 1
                if len(to.empty) < shown and example not in to.empty:
                    to.empty.append(example)


def _vocab_size(encoder: Any) -> int | None:
    """Returns the number of ids; None if the encoder doesn't say, as of numbers."""
    try:
        return int(encoder.vocab_size)
    except (AttributeError, NotImplementedError):
        return None


class _Hashes:
    """The hashes of a split's examples, some of which are marked as seen in another split.

    Args:
      hashes: int64 [examples].
    """

    def __init__(self, hashes: Array):
        self._values, self._counts = np.unique(hashes, return_counts=True)
        self._marked = np.zeros(len(self._values), bool)

    def mark(self, hashes: Array) -> list[int]:
        """Marks what is in `hashes`; returns the rows whose hash is marked for the first time."""
        indices = np.searchsorted(self._values, hashes)
        indices[indices == len(self._values)] = 0
        equal = self._values[indices] == hashes
        new = np.flatnonzero(equal & ~self._marked[indices])
        self._marked[indices[equal]] = True
        return list(map(int, new))

    def count_marked(self) -> int:
        """Returns the number of marked examples, and removes all marks."""
        count = int(self._counts[self._marked].sum())
        self._marked[:] = False
        return count


def _read_ids(paths: Iterable[str], names: Sequence[str], numbers: Container[str]) -> Iterator[Ids]:
    """Yields the ids, or numbers, of each record by feature.

    Raises:
      DataError: a record isn't a tf.Example or lacks a feature.
    """
    for source, features in read_examples(paths):
        kinds = {name: float if name in numbers else int for name in names}
        if not all(_are(kind, features.get(name, [""])) for name, kind in kinds.items()):
            words = {int: "ids", float: "numbers"}
            present = ", ".join(
                f"{name!a} ({next((words[k] for k in words if _are(k, values)), 'texts')})"
                for name, values in sorted(features.items())
            )
            raise DataError(
                f"{source} holds {present or 'nothing'}, expected ids of {' and '.join(names)}; is "
                f"it the data of this --problem?"
            )
        yield {name: features[name] for name in names}


def _are(kind: type, values: Sequence[Any]) -> bool:
    return all(isinstance(value, kind) for value in values)


def _chunks(split: str, examples: Iterable[Ids]) -> Iterator[list[Ids]]:
    iterator = iter(examples)
    with console.meter(f"{split}: reading", "examples") as advance:
        while chunk := list(itertools.islice(iterator, _CHUNK)):
            yield chunk
            advance(len(chunk))


def _hash_examples(chunk: list[Ids], names: Sequence[str]) -> Array:
    """Returns hashes, int64 [1 or 2, examples]: of all features, and of the inputs if any."""
    columns = [[hash(tuple(tuple(example[name]) for name in names)) for example in chunk]]
    if "inputs" in names:
        columns.append([hash(tuple(example["inputs"])) for example in chunk])
    return np.array(columns, np.int64)
