"""tf.Example records in TFRecord shards, exactly T2T's files: either program reads the other's."""

from __future__ import annotations

import contextlib
import operator
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c

from t2tlite.errors import DataError

# A TFRecord is: length (uint64), its checksum (uint32), the data, its checksum (uint32).
_LENGTH_BYTES = 8
_HEADER_BYTES = 12
_FOOTER_BYTES = 4


def shard_paths(folder: str | os.PathLike[str], stem: str, shards: int) -> list[str]:
    """Returns T2T's names: `stem-00000-of-00010` and so on, in `folder`."""
    return [os.path.join(folder, f"{stem}-{i:05d}-of-{shards:05d}") for i in range(shards)]


def find_shards(folder: str | os.PathLike[str], stem: str) -> list[Path]:
    """Returns the shards of `stem` in `folder`, in order.

    Raises:
      DataError: there are none, or some of a set are missing.
    """
    found = sorted(Path(folder).glob(f"{stem}-[0-9]*-of-[0-9]*"))
    if not found:
        raise DataError(
            f"no data: {folder} has no files {stem}-*; make them with t2t-datagen, or check "
            f"--data_dir and --problem"
        )
    totals = {path.name.rsplit("-", 1)[1] for path in found}
    if len(totals) > 1:
        raise DataError(
            f"{folder} holds {stem} in several sets of shards (of {', '.join(sorted(totals))}); "
            f"remove all but one"
        )
    total = int(totals.pop())
    if len(found) != total:
        present = {path.name for path in found}
        names = [Path(path).name for path in shard_paths(folder, stem, total)]
        missing = [name for name in names if name not in present]
        raise DataError(
            f"{len(missing)} of {total} shards are missing in {folder}, {missing[0]} first; run "
            f"t2t-datagen again or copy the whole folder"
        )
    return found


def serialized(example: Mapping[str, Any]) -> bytes:
    """Returns a feature dict as a serialized tf.Example, the same bytes whatever its order.

    Args:
      example: by feature name: a list of int (int64), float (float32), str or bytes (bytes), or one
        such value.

    Raises:
      DataError: a value of another type.
    """
    entries = [entries_of(name, [feature_of(name, example[name])]) for name in sorted(example)]
    return examples_of(entries)[0]


def feature_of(name: str, value: Any) -> bytes:
    """Returns one value of an example as a serialized tf.train.Feature.

    Raises:
      DataError: the value is none that `serialized` takes.
    """
    values: list[Any] = [value] if isinstance(value, (str, bytes, int, float)) else list(value)
    first = values[0] if values else 0
    try:
        if isinstance(first, (str, bytes)):
            texts = [one.encode() if isinstance(one, str) else one for one in values]
            return _field(1, b"".join(_fields(1, texts)))
        if isinstance(first, float):
            return _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
        return ids_features([[operator.index(one) for one in values]])[0]
    except (TypeError, AttributeError, struct.error):
        raise DataError(
            f"feature {name!r} holds {type(first).__name__}; expected int, float or str"
        ) from None


# These take many at once: made for millions, what a call costs would double their time.


def ids_features(rows: Iterable[Sequence[int]]) -> list[bytes]:
    """Returns rows of ids as serialized tf.train.Features."""
    packed = [b"".join(map(_VARINTS.__getitem__, ids)) for ids in rows]
    return _fields(3, [one and _field(1, one) for one in packed])


def entries_of(name: str, features: Iterable[bytes]) -> list[bytes]:
    """Returns serialized features of this name as the parts of an example that they are."""
    start = _field(1, name.encode()) + _LENGTH_DELIMITED[2]
    return _fields(1, [start + _VARINTS[len(one)] + one for one in features])


def examples_of(entries: Iterable[Iterable[bytes]]) -> list[bytes]:
    """Returns serialized tf.Examples.

    Args:
      entries: in the order of the names, the part of each example; b"" where it lacks one.
    """
    return _fields(1, map(b"".join, zip(*entries, strict=True)))


# The wire format of Protocol Buffers, of which a tf.Example needs two things. TensorFlow, which has
# the message, takes seconds and 400 MB to import in each process.


def _long_varint(value: int) -> bytes:
    value &= 2**64 - 1
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


class _Varints(dict[int, bytes]):
    """Integers as the format has them; a look-up takes a quarter of a call's time."""

    def __missing__(self, value: int) -> bytes:
        return _long_varint(value)


_VARINTS = _Varints((value, _long_varint(value)) for value in range(2**16))
_LENGTH_DELIMITED = [_long_varint(number << 3 | 2) for number in range(4)]


def _field(number: int, content: bytes) -> bytes:
    return _LENGTH_DELIMITED[number] + _VARINTS[len(content)] + content


def _fields(number: int, contents: Iterable[bytes]) -> list[bytes]:
    start = _LENGTH_DELIMITED[number]
    return [start + _VARINTS[len(one)] + one for one in contents]


class ShardWriter:
    """Appends serialized examples to one TFRecord file.

    Its methods raise OSError where the disk is full or the folder is gone.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._file = open(path, "wb")  # noqa: SIM115 - closed by `close`

    def write(self, record: bytes) -> None:
        """Appends one record."""
        self._file.write(framed(record))

    def close(self) -> None:
        """Closes the file when all of it is on the disk."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


def framed(record: bytes) -> bytes:
    """Returns a record as it stands in a TFRecord file."""
    return b"".join([_HEADS[len(record)], record, _masked_checksum(record)])


def _masked_checksum(data: bytes) -> bytes:
    """CRC-32C, turned and shifted as TFRecord files have it."""
    value: int = google_crc32c.value(data)
    return _UINT32.pack(((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


_UINT32 = struct.Struct("<I")


class _Heads(dict[int, bytes]):
    """By length of a record what stands before it: few lengths make up most of a file."""

    def __missing__(self, length: int) -> bytes:
        head = struct.pack("<Q", length)
        head += _masked_checksum(head)
        if length < 2**12:
            self[length] = head
        return head


_HEADS = _Heads()


def write_shard(path: str | os.PathLike[str], records: Iterable[bytes]) -> None:
    """Writes serialized examples as one TFRecord file, in order."""
    with contextlib.closing(ShardWriter(path)) as writer:
        for record in records:
            writer.write(record)


def read_shard(path: str | os.PathLike[str], verify: bool = False) -> Iterator[bytes]:
    """Yields the records of one TFRecord file.

    Args:
      path: the file.
      verify: whether to compute their checksums, which takes longer.

    Raises:
      DataError: the file ends within a record, or a checksum isn't that of its record.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while header := file.read(_HEADER_BYTES):
            length = _record_length(header, path)
            if verify and header[_LENGTH_BYTES:] != _masked_checksum(header[:_LENGTH_BYTES]):
                raise _damaged(path, file.tell() - _HEADER_BYTES)
            # Before reading: what is no TFRecord file may claim more bytes than fit in memory.
            if file.tell() + length + _FOOTER_BYTES > size:
                raise _truncated(path, size)
            record, footer = file.read(length), file.read(_FOOTER_BYTES)
            if verify and footer != _masked_checksum(record):
                raise _damaged(path, file.tell() - _FOOTER_BYTES - length - _HEADER_BYTES)
            yield record


def count_records(path: str | os.PathLike[str]) -> int:
    """Counts the records of one TFRecord file, reading only their lengths.

    Raises:
      DataError: the file ends within a record.
    """
    count = 0
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        position = 0
        while position < size:
            header = file.read(_HEADER_BYTES)
            if len(header) < _HEADER_BYTES:
                raise _truncated(path, size)
            position += _HEADER_BYTES + _record_length(header, path) + _FOOTER_BYTES
            if position > size:
                raise _truncated(path, size)
            file.seek(position)
            count += 1
    return count


def _record_length(header: bytes, path: str | os.PathLike[str]) -> int:
    if len(header) < _HEADER_BYTES:
        raise _truncated(path, os.path.getsize(path))
    return int(struct.unpack("<Q", header[:_LENGTH_BYTES])[0])


def _damaged(path: str | os.PathLike[str], position: int) -> DataError:
    return DataError(
        f"{path}: the record at byte {position:,} is damaged, its checksum is another; run "
        f"t2t-datagen --overwrite or copy the folder again"
    )


def _truncated(path: str | os.PathLike[str], size: int) -> DataError:
    return DataError(
        f"{path} is truncated or no TFRecord file: its {size} bytes end within a record; delete it "
        f"and run t2t-datagen again, or copy it again"
    )
