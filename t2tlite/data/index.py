"""Where each record of the shards is, and how long its features are, without reading the records.

The index of a split, `PROBLEM.SPLIT.index.npz`, takes about 12 bytes an example. t2t-datagen writes
it. For T2T's shards it is made when they are first read, and kept if their folder is writable.
"""

from __future__ import annotations

import contextlib
import logging
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite import console
from t2tlite.data.records import check_record, map_shard, record_error, record_spans
from t2tlite.data.weights import WEIGHT, WEIGHT_KEY, recorded_weight
from t2tlite.data.wire import Array, decode_ids, parse_example
from t2tlite.errors import DataError, OutputError
from t2tlite.files import atomic

log = logging.getLogger(__name__)

# Records whose lengths are read at a time.
_CHUNK = 65_536
# Shards of more bytes in all show their progress.
_SHOWN_BYTES = 2**26


def _no_meter(records: int) -> None:
    """Shows nothing."""


@dataclass(frozen=True)
class ShardIndex:
    """One shard.

    Attributes:
      file_size: bytes of the file.
      sizes: bytes of each record's data, int32 [N].
      lengths: by feature, the ids of each record, int32 [N].
      weights: of each example's loss, float32 [N]; None: no record has one.
    """

    file_size: int
    sizes: Array
    lengths: Mapping[str, Array]
    weights: Array | None = None


def path_of(shard: str | os.PathLike[str]) -> Path:
    """Returns the path of the index of the split that a shard belongs to."""
    path = Path(shard)
    problem, _, split = path.name.rsplit("-", 3)[0].rpartition("-")
    # T2T takes all files whose names start with PROBLEM-SPLIT for shards.
    return path.with_name(f"{problem}.{split}.index.npz")


def index_shards(paths: Sequence[str]) -> list[ShardIndex]:
    """Returns the index of each shard of a split: from the index file, or made and kept there.

    Args:
      paths: TFRecord files.

    Raises:
      DataError: a shard is damaged.
    """
    kept = _read(path_of(paths[0]))
    indices = {}
    is_long = sum(map(_size, paths)) > _SHOWN_BYTES
    meter = console.meter("indexing", "records") if is_long else contextlib.nullcontext(_no_meter)
    with meter as advance:
        for path in paths:
            index = kept.get(os.path.basename(path))
            # A file of equal size that was replaced is noticed when its records are read.
            if index is None or index.file_size != _size(path):
                index = index_shard(path)
                advance(len(index.sizes))
            indices[path] = index
    is_new = any(kept.get(os.path.basename(path)) is not index for path, index in indices.items())
    if is_new and _may_write(os.path.dirname(paths[0])):
        try:
            write(indices)
        except OutputError as error:
            log.debug("the index isn't kept: %s", error)
    return list(indices.values())


def _may_write(folder: str) -> bool:
    """Whether a folder is meant to be written to, also for root, who always can."""
    return bool(os.stat(folder or ".").st_mode & 0o222)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def index_shard(path: str) -> ShardIndex:
    """Reads a whole shard, checks it and returns its index.

    Raises:
      DataError: the file can't be read, is damaged, or a record isn't a tf.Example.
    """
    mapped = map_shard(path)
    starts, sizes = record_spans(mapped, path)
    weights = np.ones(len(starts), np.float32)
    for number, (start, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
        record = check_record(mapped, start, size, path)
        if WEIGHT_KEY in record:
            weights[number] = _weight(record, path, number)
    data = np.frombuffer(mapped, np.uint8)
    names = _id_features(data, starts, sizes, path)
    parts: dict[str, list[Array]] = {name: [] for name in names}
    for first in range(0, len(starts), _CHUNK):
        chunk = slice(first, first + _CHUNK)

        def fail(number: int, reason: str, first: int = first) -> None:
            raise record_error(path, first + number, reason)

        decoded = decode_ids(data, starts[chunk], sizes[chunk], names, fail)
        for name, (_, lengths) in zip(names, decoded, strict=True):
            parts[name].append(lengths)
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    kept = weights if (weights != 1.0).any() else None
    return ShardIndex(len(data), sizes.astype(np.int32), joined, kept)


def _weight(record: bytes, path: str, number: int) -> float:
    try:
        return recorded_weight(parse_example(record).get(WEIGHT))
    except ValueError:
        raise record_error(path, number, "isn't a tf.Example") from None


def _id_features(data: Array, starts: Array, sizes: Array, path: str) -> list[str]:
    """Returns the names of the features of the first record that hold integers."""
    if not len(starts):
        return []
    record = data[starts[0] : starts[0] + sizes[0]].tobytes()
    try:
        features = parse_example(record)
    except ValueError:
        raise record_error(path, 0, "isn't a tf.Example") from None
    return sorted(
        name for name, values in features.items() if all(isinstance(i, int) for i in values)
    )


# The file holds, of all shards in turn: "shards", their names; "file_sizes" and "records", an int64
# for each; "sizes" and "lengths/NAME", an int32 for each record; "weights", if there are any, a
# float32 for each.


def write(indices: Mapping[str, ShardIndex]) -> None:
    """Writes the index file of a split, atomically.

    Args:
      indices: the index of each shard by its path.

    Raises:
      OutputError: the file can't be written.
    """
    shards = list(indices.values())
    filled = [shard for shard in shards if len(shard.sizes)]
    names = sorted(set.intersection(*(set(shard.lengths) for shard in filled))) if filled else []
    arrays: dict[str, Any] = {
        "shards": np.array([os.path.basename(path) for path in indices]),
        "file_sizes": np.array([shard.file_size for shard in shards], np.int64),
        "records": np.array([len(shard.sizes) for shard in shards], np.int64),
        "sizes": _joined([shard.sizes for shard in shards]),
        **{f"lengths/{name}": _joined([s.lengths[name] for s in filled]) for name in names},
    }
    if any(shard.weights is not None for shard in shards):
        ones = [
            np.ones(len(s.sizes), np.float32) if s.weights is None else s.weights for s in shards
        ]
        arrays["weights"] = np.concatenate(ones)
    with atomic(path_of(next(iter(indices)))) as file:
        np.savez(file, **arrays)


def _joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0, np.int32), *arrays])


def _read(path: Path) -> dict[str, ShardIndex]:
    """Returns the indices in a file by the shard's name; none if it is missing or damaged."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = dict(content)
        ends = np.cumsum(arrays["records"])
        lengths = {
            name.removeprefix("lengths/"): np.split(values, ends[:-1])
            for name, values in arrays.items()
            if name.startswith("lengths/")
        }
        sizes = np.split(arrays["sizes"], ends[:-1])
        each = [name for name in arrays if "s/" in name or name == "weights"]
        if any(len(arrays[name]) != ends[-1] for name in each):
            raise ValueError("the lengths aren't those of all records")
        weights = np.split(arrays["weights"], ends[:-1]) if "weights" in arrays else None
        return {
            str(name): ShardIndex(
                int(size),
                sizes[i],
                {k: v[i] for k, v in lengths.items()},
                weights[i] if weights else None,
            )
            for i, (name, size) in enumerate(
                zip(arrays["shards"], arrays["file_sizes"], strict=True)
            )
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile) as error:
        log.debug("%s is made again: %s", path, error)
        return {}


def missing_feature(path: str, index: ShardIndex, names: Sequence[str]) -> DataError:
    """Returns the error that a shard lacks one of the features `names`."""
    present = ", ".join(sorted(index.lengths)) or "none"
    return DataError(
        f"the records of {path} have ids of {present}; expected {' and '.join(names)}: is it the "
        f"data of this --problem?"
    )
