"""tf.Example records in TFRecord shards, in T2T's format: each program reads the other's files.

They are written without TensorFlow, which would cost each worker process seconds and 400 MB.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import glob
import logging
import mmap
import operator
import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import google_crc32c
import numpy as np

from t2tlite import buckets
from t2tlite.data.wire import Array, parse_example
from t2tlite.errors import DataError
from t2tlite.text.encoder import encode_utf8

log = logging.getLogger(__name__)

# A TFRecord is: length (uint64), its checksum (uint32), the data, its checksum (uint32).
_HEADER_BYTES = 12
_FOOTER_BYTES = 4

# Types of a value that is a feature of length 1.
SINGLE = (str, bytes, int, float)


def shard_paths(folder: str | os.PathLike[str], stem: str, shards: int) -> list[str]:
    """Returns paths with T2T's names: `stem-00000-of-00010` and so on."""
    return [os.path.join(folder, f"{stem}-{i:05d}-of-{shards:05d}") for i in range(shards)]


def find_shards(folder: str | os.PathLike[str], stem: str) -> list[Path]:
    """Returns the shards of `stem` in `folder`, in order; warns, once, if they are a subset.

    Raises:
      DataError: there are none, or those of several sets.
    """
    shard = re.compile(rf"{re.escape(stem)}-\d+-of-\d+")
    pattern = f"{glob.escape(stem)}-[0-9]*-of-[0-9]*"
    buckets.fetch(folder, pattern)
    candidates = Path(folder).glob(pattern)
    paths = sorted(path for path in candidates if shard.fullmatch(path.name))
    if not paths:
        raise DataError(
            f"no data: {folder} has no files {stem}-*; run t2t-datagen, or check "
            f"--data_dir and --problem"
        )
    totals = {path.name.rsplit("-", 1)[1] for path in paths}
    if len(totals) > 1:
        raise DataError(
            f"{folder} has several sets of {stem} shards (of {', '.join(sorted(totals))}); remove "
            f"all but one"
        )
    total = int(totals.pop())
    if len(paths) != total:
        _warn_once(
            f"{folder} has {len(paths)} of {total} shards of {stem}: only these are read; copy the "
            f"others for the whole data set"
        )
    return paths


@functools.cache
def _warn_once(message: str) -> None:
    log.warning("%s", message)


def serialized(example: Mapping[str, Any]) -> bytes:
    """Returns a serialized tf.Example, the same bytes for any order of the dict.

    Args:
      example: by feature name: a list of int (int64), float (float32), str or bytes (bytes), or a
        single such value.

    Raises:
      DataError: a value has another type, or a text a lone surrogate.
    """
    return examples_of([[entry_of(name, example[name])] for name in sorted(example)])[0]


def entry_of(name: str, value: Any) -> bytes:
    """Serializes the map entry of a feature with a value as in `serialized`."""
    values: list[Any] = [value] if isinstance(value, SINGLE) else list(value)
    first = values[0] if values else 0
    try:
        if isinstance(first, (str, bytes)):
            texts = [encode_utf8(text) if isinstance(text, str) else text for text in values]
            feature = _field(1, b"".join(_fields(1, texts)))
        elif isinstance(first, float):
            feature = _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
        else:
            (feature,) = ids_features([[operator.index(number) for number in values]])
    except (TypeError, AttributeError, struct.error):
        raise DataError(
            f"feature {name!r} holds {type(first).__name__}; expected int, float or str"
        ) from None
    return entries_of(name, [feature])[0]


# These functions take many values at once, because a call for each of millions would double the
# time.


def ids_features(rows: Iterable[Sequence[int]]) -> list[bytes]:
    """Returns a serialized tf.train.Feature for each row of ids."""
    packed = [b"".join(map(_VARINTS.__getitem__, ids)) for ids in rows]
    return _fields(3, [content and _field(1, content) for content in packed])


def entries_of(name: str, features: Iterable[bytes]) -> list[bytes]:
    """Serializes the map entries name -> feature of tf.train.Features."""
    start = _field(1, name.encode()) + _LENGTH_DELIMITED[2]
    return _fields(1, [start + _VARINTS[len(feature)] + feature for feature in features])


def examples_of(entries: Iterable[Iterable[bytes]]) -> list[bytes]:
    """Returns serialized tf.Examples.

    Args:
      entries: for each feature, in the order of the names, the map entry of each example; b"" if
        it lacks the feature.
    """
    return _fields(1, map(b"".join, zip(*entries, strict=True)))


# The wire format of Protocol Buffers; tf.Example needs varints and length-delimited fields.


def _long_varint(value: int) -> bytes:
    value &= 2**64 - 1
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


class _Varints(dict[int, bytes]):
    """Varints by value; a look-up takes a quarter of the time of a call."""

    def __missing__(self, value: int) -> bytes:
        return _long_varint(value)


_VARINTS = _Varints((value, _long_varint(value)) for value in range(2**16))
_LENGTH_DELIMITED = [_long_varint(number << 3 | 2) for number in range(4)]


def _field(number: int, content: bytes) -> bytes:
    return _LENGTH_DELIMITED[number] + _VARINTS[len(content)] + content


def _fields(number: int, contents: Iterable[bytes]) -> list[bytes]:
    start = _LENGTH_DELIMITED[number]
    return [start + _VARINTS[len(content)] + content for content in contents]


class ShardWriter:
    """Appends serialized examples to one TFRecord file; raises OSError if the disk is full."""

    def __init__(self, path: str | os.PathLike[str]):
        self._file = open(path, "wb")  # noqa: SIM115 - closed by `close`

    def write(self, record: bytes) -> None:
        """Appends one record."""
        self._file.write(framed(record))

    def close(self) -> None:
        """Flushes the file to the disk and closes it."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


def framed(record: bytes) -> bytes:
    """Returns a record with header and footer, as in a TFRecord file."""
    return b"".join([_head(len(record)), record, _masked_checksum(record)])


def _masked_checksum(data: bytes) -> bytes:
    """Returns the CRC-32C, rotated and shifted as in TFRecord files."""
    value: int = google_crc32c.value(data)
    return _UINT32.pack(((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


_UINT32 = struct.Struct("<I")
_UINT64 = struct.Struct("<Q")


@functools.lru_cache(2**12)
def _head(length: int) -> bytes:
    """Returns the header of a record; cached, because few lengths make up most of a file."""
    head = _UINT64.pack(length)
    return head + _masked_checksum(head)


def write_shard(path: str | os.PathLike[str], records: Iterable[bytes]) -> None:
    """Writes serialized examples as one TFRecord file, in order."""
    with contextlib.closing(ShardWriter(path)) as writer:
        for record in records:
            writer.write(record)


def read_shard(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yields the records of one TFRecord file.

    Raises:
      DataError: the file can't be read or ends within a record, or a checksum is wrong.
    """
    with _opened(path) as file:
        for start, length in _read_headers(file, path):
            record, footer = file.read(length), file.read(_FOOTER_BYTES)
            if footer != _masked_checksum(record):
                raise _damaged(path, start)
            yield record


def read_examples(
    paths: Iterable[str | os.PathLike[str]],
) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Yields, for each record of TFRecord files, its number and path as text, and its features.

    The values of a feature are int, float or bytes.

    Raises:
      DataError: a file is damaged, or a record isn't a tf.Example.
    """
    for path in paths:
        for number, record in enumerate(read_shard(path)):
            try:
                features = parse_example(record)
            except ValueError:
                raise record_error(path, number, "isn't a tf.Example") from None
            yield f"record {number} of {path}", features


def record_error(path: str | os.PathLike[str], number: int, reason: str) -> DataError:
    """Returns the error that a record of a file, whose checksum is right, isn't as expected."""
    return DataError(
        f"record {number} of {path} {reason}; the file is damaged or not of this --problem: copy "
        f"it again, or run t2t-datagen --overwrite"
    )


# Access to records at any place: for whole files at once, without a copy.


def map_shard(path: str | os.PathLike[str]) -> memoryview:
    """Maps a TFRecord file into memory and returns its bytes.

    Raises:
      DataError: it can't be read.
    """
    with _opened(path) as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def record_spans(data: memoryview, path: str | os.PathLike[str]) -> tuple[Array, Array]:
    """Returns the start and the size of each record's data in a mapped file, int64 [N].

    Raises:
      DataError: the file ends within a record, or a header's checksum is wrong.
    """
    starts = []
    place, end = 0, len(data)
    while place < end:
        size = _UINT64.unpack_from(data, place)[0] if place + _HEADER_BYTES <= end else end
        if place + _HEADER_BYTES + size + _FOOTER_BYTES > end:
            raise _truncated(path, end)
        if data[place : place + _HEADER_BYTES] != _head(size):
            raise _damaged(path, place)
        starts.append(place + _HEADER_BYTES)
        place = starts[-1] + size + _FOOTER_BYTES
    positions = np.array(starts, np.int64)
    sizes = np.diff(positions, append=end + _HEADER_BYTES) - _HEADER_BYTES - _FOOTER_BYTES
    return positions, sizes


def record_starts(sizes: Array) -> Array:
    """Returns the start of each record's data in a file, from the sizes of all of them: int64."""
    ends = np.cumsum(sizes.astype(np.int64) + _HEADER_BYTES + _FOOTER_BYTES)
    return ends - sizes - _FOOTER_BYTES


def check_record(data: memoryview, start: int, size: int, path: str | os.PathLike[str]) -> bytes:
    """Returns the data of a record of a mapped file.

    Args:
      data: the bytes of the file.
      start, size: where the record should be.
      path: of the file, for messages.

    Raises:
      DataError: a checksum is wrong, or no record is there.
    """
    end = start + size
    record = bytes(data[start:end])
    is_right = data[start - _HEADER_BYTES : start] == _head(size)
    if not is_right or data[end : end + _FOOTER_BYTES] != _masked_checksum(record):
        raise _damaged(path, start - _HEADER_BYTES)
    return record


def is_whole(path: str | os.PathLike[str]) -> bool:
    """Whether a TFRecord file exists and all its checksums are right."""
    try:
        collections.deque(read_shard(path), maxlen=0)
    except DataError:
        return False
    return True


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise DataError(
            f"can't read {os.fspath(path)}: {error.strerror or error}; copy the folder again, or "
            f"run t2t-datagen --overwrite"
        ) from error


def _damaged(path: str | os.PathLike[str], start: int) -> DataError:
    return DataError(
        f"{path}: the record at byte {start:,} is damaged, its checksum is wrong; run "
        f"t2t-datagen --overwrite or copy the folder again"
    )


def _truncated(path: str | os.PathLike[str], size: int) -> DataError:
    return DataError(
        f"{path} is truncated or not a TFRecord file: its {size} bytes end within a record; delete "
        f"it and run t2t-datagen again, or copy it again"
    )


def _read_headers(file: IO[bytes], path: str | os.PathLike[str]) -> Iterator[tuple[int, int]]:
    """Yields position and length of each record; the caller must read or skip the rest."""
    size = os.fstat(file.fileno()).st_size
    start = 0
    while header := file.read(_HEADER_BYTES):
        complete = len(header) == _HEADER_BYTES
        length = _UINT64.unpack_from(header)[0] if complete else size
        end = start + _HEADER_BYTES + length + _FOOTER_BYTES
        # Checked before reading: in a file of another kind the length may exceed the memory.
        if end > size:
            raise _truncated(path, size)
        if header != _head(length):
            raise _damaged(path, start)
        yield start, length
        start = end
