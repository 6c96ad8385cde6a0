"""The examples of a split: lengths of all of them, and ids of any of them on request.

`MappedExamples` decodes them from the shards when they are needed; `StoredExamples` has them in
memory, as a plugin's hooks returned them. Shapes: N examples, F features.
"""

from __future__ import annotations

import bisect
import os
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Protocol

import numpy as np

from t2tlite.data.index import index_shards, missing_feature, path_of
from t2tlite.data.records import (
    check_record,
    map_shard,
    read_examples,
    record_error,
    record_starts,
)
from t2tlite.data.weights import WEIGHT, recorded_weight
from t2tlite.data.wire import Array, decode_ids, spans
from t2tlite.errors import DataError

# Examples that `each_row` reads at a time.
_CHUNK = 1024


@dataclass(frozen=True)
class RecordFeature:
    """How a feature of a batch is read from the records.

    Attributes:
      source: the feature's name in the records.
      limit: ids after this many are cut off; 0: none.
      width: number of ids that every example has, such as 1 for a class label; 0: any.
      is_real: whether the values are numbers rather than ids.
    """

    source: str
    limit: int = 0
    width: int = 0
    is_real: bool = False


class Examples(Protocol):
    """What batches are made of.

    Attributes:
      names: F features, sorted: "inputs" before "targets".
      widths: number of ids of a feature whose examples all have as many; 0 for others.
      lengths: int32 [N, F].
      weights: of each example's loss, float32 [N]; None: all have 1.
    """

    names: Sequence[str]
    widths: Sequence[int]
    lengths: Array
    weights: Array | None

    def ids(self, numbers: Array) -> list[Array]:
        """Returns for each feature the ids of these examples, one after the other: int32."""


class MappedExamples:
    """Examples that stay in their shards, which are mapped into memory.

    Args:
      shards: TFRecord files of a split.
      features: how to read each feature, by its name in a batch.

    Raises:
      DataError: a shard is damaged, or the records have other features.
    """

    def __init__(self, shards: Sequence[str], features: Mapping[str, RecordFeature]):
        self.names: Sequence[str] = sorted(features)
        self._features = [features[name] for name in self.names]
        self.widths: Sequence[int] = [feature.width for feature in self._features]
        # A record's feature may be read twice, as targets that are a copy of the inputs.
        self._sources = sorted({feature.source for feature in self._features})
        self._shards = list(shards)
        indices = index_shards(self._shards)
        for path, index in zip(self._shards, indices, strict=True):
            if len(index.sizes) and not all(name in index.lengths for name in self._sources):
                raise missing_feature(path, index, self._sources)
        # The number of the first example of each shard.
        self._firsts = np.cumsum([0, *(len(index.sizes) for index in indices)])
        if not self._firsts[-1]:
            raise _no_example(self._shards)
        self._sizes = np.concatenate([index.sizes for index in indices])
        self._starts = np.concatenate([record_starts(index.sizes) for index in indices])
        empty = np.zeros(0, np.int32)
        columns = [
            np.concatenate([index.lengths.get(feature.source, empty) for index in indices])
            for feature in self._features
        ]
        for name, feature, column in zip(self.names, self._features, columns, strict=True):
            self._check_width(name, feature, column)
        self._full_lengths = np.stack(columns, axis=1)
        self.weights = joined_weights([(index.weights, len(index.sizes)) for index in indices])
        limits = [feature.limit or 2**31 - 1 for feature in self._features]
        self._maps: dict[int, memoryview] = {}
        self.lengths = np.minimum(self._full_lengths, np.array(limits, np.int32))

    def _check_width(self, name: str, feature: RecordFeature, lengths: Array) -> None:
        if feature.width and (wrong := np.flatnonzero(lengths != feature.width)).size:
            path, number = self._place(int(wrong[0]))
            raise record_error(
                path, number, f"has {lengths[wrong[0]]} ids of {name}, expected {feature.width}"
            )

    def _place(self, example: int) -> tuple[str, int]:
        """Returns the shard of an example and its number there."""
        shard = bisect.bisect_right(self._firsts, example) - 1
        return self._shards[shard], example - int(self._firsts[shard])

    def _records(self, numbers: Array) -> list[bytes]:
        shards = (np.searchsorted(self._firsts, numbers, side="right") - 1).tolist()
        for shard in {*shards} - self._maps.keys():
            self._maps[shard] = map_shard(self._shards[shard])
        places = zip(
            shards, self._starts[numbers].tolist(), self._sizes[numbers].tolist(), strict=True
        )
        return [
            check_record(self._maps[shard], start, size, self._shards[shard])
            for shard, start, size in places
        ]

    def ids(self, numbers: Array) -> list[Array]:
        """Returns for each feature the ids of these examples, one after the other: int32.

        Raises:
          DataError: a shard is damaged, or was replaced by another.
        """
        records = self._records(numbers)
        sizes = np.array([len(record) for record in records], np.int64)
        data = np.frombuffer(b"".join(records) or b"\0", np.uint8)

        def fail(number: int, reason: str) -> None:
            raise record_error(*self._place(int(numbers[number])), reason)

        decoded = decode_ids(data, np.cumsum(sizes) - sizes, sizes, self._sources, fail)
        by_source = dict(zip(self._sources, decoded, strict=True))
        results = []
        for column, feature in enumerate(self._features):
            ids, lengths = by_source[feature.source]
            if not np.array_equal(lengths, self._full_lengths[numbers, column]):
                raise DataError(
                    f"{path_of(self._shards[0])} isn't the index of these shards; delete it"
                )
            if feature.limit:
                kept = np.minimum(lengths, feature.limit)
                ids = ids[spans(np.cumsum(lengths) - lengths, kept)]
            results.append(ids)
        return results


class StoredExamples:
    """Examples in memory.

    Args:
      ids: for each feature the ids of all examples, one after the other: int32. Numbers in place of
        ids are float32.
      lengths: for each feature, int32 [N].
      widths: of features whose examples all have as many ids.
      weights: as the attribute of `Examples`.
    """

    def __init__(
        self,
        ids: Mapping[str, Array],
        lengths: Mapping[str, Array],
        widths: Mapping[str, int] = types.MappingProxyType({}),
        weights: Array | None = None,
    ):
        self.weights = weights
        self.names: Sequence[str] = sorted(ids)
        self.widths: Sequence[int] = [widths.get(name, 0) for name in self.names]
        self._ids = [ids[name] for name in self.names]
        self.lengths = np.stack([lengths[name] for name in self.names], axis=1)
        self._starts = np.cumsum(self.lengths, axis=0, dtype=np.int64) - self.lengths

    def ids(self, numbers: Array) -> list[Array]:
        """Returns for each feature the ids of these examples, one after the other: int32."""
        return [
            ids[spans(self._starts[numbers, column], self.lengths[numbers, column])]
            for column, ids in enumerate(self._ids)
        ]


def joined_weights(parts: Sequence[tuple[Array | None, int]]) -> Array | None:
    """Returns the weights of several parts, each with its number of examples; None if none has any.

    A part without weights has those of 1.
    """
    if all(weights is None for weights, _ in parts):
        return None
    filled = [np.ones(size, np.float32) if one is None else one for one, size in parts]
    return np.concatenate(filled)


def _no_example(shards: Sequence[str]) -> DataError:
    return DataError(f"{os.path.dirname(shards[0])} has no example; run t2t-datagen again")


def read_stored(shards: Sequence[str], features: Mapping[str, RecordFeature]) -> StoredExamples:
    """Reads examples into memory, as those with numbers must be: an index knows lengths of ids.

    Raises:
      DataError: a shard is damaged, or the records have other features.
    """
    rows: dict[str, list[list[int | float]]] = {name: [] for name in features}
    weights = []
    for place, record in read_examples(shards):
        for name, feature in features.items():
            values, kind = record.get(feature.source), float if feature.is_real else int
            if values is None or feature.width not in (0, len(values)):
                raise DataError(f"{place} has {values!r:.80} as {name}; run t2t-datagen again")
            if not all(isinstance(value, kind) for value in values):
                raise DataError(f"{place} has no {kind.__name__}s as {name}; run t2t-datagen again")
            rows[name].append(values[: feature.limit or None])
        weights.append(recorded_weight(record.get(WEIGHT)))
    if not any(rows.values()):
        raise _no_example(shards)
    return StoredExamples(
        {
            name: np.fromiter(chain.from_iterable(rows[name]), "f4" if feature.is_real else "i4")
            for name, feature in features.items()
        },
        {name: np.array([len(values) for values in rows[name]], np.int32) for name in features},
        {name: feature.width for name, feature in features.items()},
        np.array(weights, np.float32) if any(weight != 1.0 for weight in weights) else None,
    )


def each_row(examples: Examples) -> Iterator[dict[str, list[int]]]:
    """Yields the ids of each example by feature, in the order of the shards."""
    count = len(examples.lengths)
    for first in range(0, count, _CHUNK):
        numbers = np.arange(first, min(first + _CHUNK, count))
        columns = []
        for column, ids in enumerate(examples.ids(numbers)):
            ends = np.cumsum(examples.lengths[numbers, column]).tolist()
            columns.append([ids[a:b].tolist() for a, b in pairwise([0, *ends])])
        for rows in zip(*columns, strict=True):
            yield dict(zip(examples.names, rows, strict=True))
