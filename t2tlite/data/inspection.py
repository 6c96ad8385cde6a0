"""What a data folder holds: lengths, fallback tokens, empty texts, examples that splits share.

Every record is read once. Memory doesn't grow with the training split: of the others 16 bytes an
example are kept, hashes of the pair and of its inputs.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from t2tlite import console
from t2tlite.data.records import read_shard
from t2tlite.errors import DataError
from t2tlite.text import EOS_ID, PAD_ID
from t2tlite.text.encoder import strip_ids

# The features that hold text or a label.
FEATURES = ("inputs", "targets")

# Records whose ids are counted by one call of NumPy.
_CHUNK = 4096

Ids = dict[str, list[int]]


@dataclass
class FeatureSummary:
    """One feature of a split.

    Attributes:
      tokens: sum of the lengths, EOS included, as in the manifest.
      lengths: examples by length.
      fallback: tokens that stand for text without a token of its own; None: the encoder can't tell.
      empty: examples without text.
    """

    tokens: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    fallback: int | None = 0
    empty: int = 0

    def percentile(self, percent: float) -> int:
        """The least length that `percent` of the examples don't exceed; 0 without examples."""
        wanted = percent / 100 * self.lengths.total()
        lengths = sorted(self.lengths)
        reached = itertools.accumulate(self.lengths[length] for length in lengths)
        return next((n for n, count in zip(lengths, reached, strict=True) if count >= wanted), 0)


@dataclass
class Shared:
    """Examples of a split that an earlier split has too.

    Attributes:
      pairs: those whose inputs and targets are both there.
      inputs: those whose inputs are there, whatever their targets; None: there are no inputs.
      shown: some of the shared pairs.
    """

    pairs: int = 0
    inputs: int | None = None
    shown: list[Ids] = field(default_factory=list)


@dataclass
class SplitSummary:
    """One split.

    Attributes:
      examples: records.
      features: by name.
      shared: by earlier split, train for one.
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
    """Reads splits and tells what is in them.

    Args:
      shards: paths by split, the training split first. Of a split that isn't the first, what
        earlier ones have too is counted.
      encoders: by feature, of the data as it is on disk.
      prefixes: by feature, the text that all examples begin with; nothing else makes an empty one.
      shown: examples to keep of each kind, to be looked at.

    Returns:
      A summary of each split, in the order of `shards`.

    Raises:
      DataError: a shard is damaged, or its ids aren't those of the encoders.
    """
    names = [name for name in FEATURES if name in encoders]
    readers = [_Feature(name, encoders[name], prefixes.get(name, "")) for name in names]
    summaries: dict[str, SplitSummary] = {}
    held: dict[str, list[_Hashes]] = {}
    # The training split is the large one: read last, it is only compared.
    for split in reversed(list(shards)):
        summary = SplitSummary(features={reader.name: reader.summary() for reader in readers})
        hashes: list[np.ndarray[Any, Any]] = []
        is_first = split == next(iter(shards))
        for chunk in _chunks(split, _examples(shards[split], names)):
            summary.first += chunk[: max(shown - summary.examples, 0)]
            summary.examples += len(chunk)
            for reader in readers:
                reader.count(chunk, split, summary, shown)
            if held or not is_first:
                columns = _hashes(chunk, names)
                for other, held_hashes in held.items():
                    shared = summaries[other].shared.setdefault(split, Shared())
                    _compare(columns, held_hashes, chunk, shared, shown)
                if not is_first:
                    hashes.append(columns)
        for other, held_hashes in held.items():
            shared = summaries[other].shared.setdefault(split, Shared())
            shared.pairs, *inputs = [one.take_seen() for one in held_hashes]
            shared.inputs = inputs[0] if inputs else None
        if hashes:
            held[split] = [_Hashes(column) for column in np.concatenate(hashes, axis=1)]
        summaries[split] = summary
    return {split: summaries[split] for split in shards}


class _Feature:
    """Counts what one feature holds."""

    def __init__(self, name: str, encoder: Any, prefix: str):
        self.name = name
        # Plugins' own encoders may have neither of these.
        fallback = getattr(encoder, "fallback_ids", None)
        self._fallback = None if fallback is None else sorted(fallback)
        # A class label is never empty.
        self._has_text = getattr(encoder, "num_reserved_ids", None) != 0
        self._blank = list(encoder.encode(prefix)) if prefix and self._has_text else []
        self._vocab_size = encoder.vocab_size

    def summary(self) -> FeatureSummary:
        """An empty summary."""
        return FeatureSummary(fallback=None if self._fallback is None else 0)

    def count(self, chunk: list[Ids], split: str, to: SplitSummary, shown: int) -> None:
        """Adds examples to a summary.

        Raises:
          DataError: the encoder doesn't have an id.
        """
        summary = to.features[self.name]
        lengths = [len(example[self.name]) for example in chunk]
        summary.lengths.update(lengths)
        flat = itertools.chain.from_iterable(example[self.name] for example in chunk)
        ids = np.fromiter(flat, np.int64, sum(lengths))
        summary.tokens += len(ids)
        wrong = ids[(ids < 0) | (ids >= self._vocab_size)]
        if len(wrong):
            raise DataError(
                f"{split} holds id {wrong[0]} in {self.name}, and the vocabulary has "
                f"{self._vocab_size} ids; bring the vocabulary that the data was made with, or "
                f"make the data anew with t2t-datagen --overwrite"
            )
        if self._fallback and summary.fallback is not None:
            counts = np.bincount(ids, minlength=self._vocab_size)
            summary.fallback += int(counts[self._fallback].sum())
        if not self._has_text:
            return
        for example, length in zip(chunk, lengths, strict=True):
            # Most examples are longer; an empty one is ended by one EOS.
            if length > len(self._blank) + 1:
                continue
            if strip_ids(example[self.name], (PAD_ID, EOS_ID)) == self._blank:
                summary.empty += 1
                if len(to.empty) < shown and example not in to.empty:
                    to.empty.append(example)


def _compare(
    columns: np.ndarray[Any, Any],
    held: Sequence[_Hashes],
    chunk: list[Ids],
    shared: Shared,
    shown: int,
) -> None:
    """Marks the held hashes that are in `columns`, and keeps some of the pairs."""
    rows, *_ = [one.see(column) for one, column in zip(held, columns, strict=True)]
    shared.shown += [chunk[row] for row in rows[: max(shown - len(shared.shown), 0)]]


class _Hashes:
    """The hashes of a split, and which of them another split has."""

    def __init__(self, hashes: np.ndarray[Any, Any]):
        self._values, self._counts = np.unique(hashes, return_counts=True)
        self._seen = np.zeros(len(self._values), bool)

    def see(self, hashes: np.ndarray[Any, Any]) -> list[int]:
        """Marks what is in `hashes`; returns the rows whose hash wasn't marked before."""
        places = np.searchsorted(self._values, hashes)
        places[places == len(self._values)] = 0
        here = self._values[places] == hashes
        new = np.flatnonzero(here & ~self._seen[places])
        self._seen[places[here]] = True
        return list(map(int, new))

    def take_seen(self) -> int:
        """Returns how many examples were marked, and unmarks all."""
        count = int(self._counts[self._seen].sum())
        self._seen[:] = False
        return count


def _examples(paths: Iterable[str], names: Sequence[str]) -> Iterator[Ids]:
    """Yields the ids of each record by feature.

    Raises:
      DataError: a record is no tf.Example or lacks a feature.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    parse = tf.train.Example.FromString
    for path in paths:
        for number, record in enumerate(read_shard(path)):
            try:
                features = parse(record).features.feature
            except DecodeError:
                raise DataError(
                    f"record {number} of {path} is no tf.Example; the file is damaged: copy it "
                    f"again, or make the data anew with t2t-datagen --overwrite"
                ) from None
            # Looking for a key that isn't there would add it.
            if not all(name in features for name in names):
                found = ", ".join(sorted(features)) or "nothing"
                raise DataError(
                    f"record {number} of {path} holds {found}, expected {' and '.join(names)}; "
                    f"is it the data of this --problem?"
                )
            yield {name: list(features[name].int64_list.value) for name in names}


def _chunks(split: str, examples: Iterable[Ids]) -> Iterator[list[Ids]]:
    iterator = iter(examples)
    with console.meter(f"{split}: reading", "examples") as advance:
        while chunk := list(itertools.islice(iterator, _CHUNK)):
            yield chunk
            advance(len(chunk))


def _hashes(chunk: list[Ids], names: Sequence[str]) -> np.ndarray[Any, Any]:
    """Eight-byte hashes, [1 or 2, examples]: of all features, and of the inputs if there are."""
    columns = [[hash(tuple(tuple(example[name]) for name in names)) for example in chunk]]
    if "inputs" in names:
        columns.append([hash(tuple(example["inputs"])) for example in chunk])
    return np.array(columns, np.int64)
