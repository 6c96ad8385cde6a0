"""tf.Example records in TFRecord shards, exactly T2T's files: either program reads the other's."""

from __future__ import annotations

import contextlib
import functools
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
    return example_of({name: feature_of(name, value) for name, value in example.items()})


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
            return _field(1, b"".join(_field(1, one) for one in texts))
        if isinstance(first, float):
            return _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
        return ids_feature([operator.index(one) for one in values])
    except (TypeError, AttributeError, struct.error):
        raise DataError(
            f"feature {name!r} holds {type(first).__name__}; expected int, float or str"
        ) from None


def ids_feature(ids: Sequence[int]) -> bytes:
    """Returns ids as a serialized tf.train.Feature."""
    return _field(3, _field(1, b"".join(map(_VARINTS.__getitem__, ids))) if ids else b"")


def example_of(features: Mapping[str, bytes]) -> bytes:
    """Returns serialized features by name as a serialized tf.Example."""
    entries = []
    for name in sorted(features):
        feature = features[name]
        # A million times over: the calls of _field written out.
        entry = b"".join([_key(name), b"\x12", _VARINTS[len(feature)], feature])
        entries += [b"\x0a", _VARINTS[len(entry)], entry]
    return _field(1, b"".join(entries))


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


@functools.cache
def _key(name: str) -> bytes:
    return _field(1, name.encode())


def _field(number: int, content: bytes) -> bytes:
    return _LENGTH_DELIMITED[number] + _VARINTS[len(content)] + content


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
    length = struct.pack("<Q", len(record))
    return b"".join([length, _masked_checksum(length), record, _masked_checksum(record)])


def _masked_checksum(data: bytes) -> bytes:
    """CRC-32C, turned and shifted as TFRecord files have it."""
    value: int = google_crc32c.value(data)
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def write_shard(path: str | os.PathLike[str], records: Iterable[bytes]) -> None:
    """Writes serialized examples as one TFRecord file, in order."""
    with contextlib.closing(ShardWriter(path)) as writer:
        for record in records:
            writer.write(record)


def read_shard(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yields the records of one TFRecord file, without verifying checksums.

    Raises:
      DataError: the file ends within a record.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        while header := file.read(_HEADER_BYTES):
            length = _record_length(header, path)
            # Before reading: what is no TFRecord file may claim more bytes than fit in memory.
            if file.tell() + length + _FOOTER_BYTES > size:
                raise _truncated(path, size)
            yield file.read(length)
            file.seek(_FOOTER_BYTES, os.SEEK_CUR)


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


def _truncated(path: str | os.PathLike[str], size: int) -> DataError:
    return DataError(
        f"{path} is truncated or no TFRecord file: its {size} bytes end within a record; delete it "
        f"and run t2t-datagen again, or copy it again"
    )
