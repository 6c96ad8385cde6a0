"""tf.Example records in TFRecord shards, exactly T2T's files: either program reads the other's."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

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
    """Returns a feature dict as a serialized tf.Example.

    Args:
      example: by feature name: a list of int (int64), float (float32), str or bytes (bytes), or one
        such value.

    Raises:
      DataError: a value of another type.
    """
    import tensorflow as tf

    features = {}
    for name, value in example.items():
        values = [value] if isinstance(value, (str, bytes, int, float)) else list(value)
        first = values[0] if values else 0
        if isinstance(first, (str, bytes)):
            encoded = [one.encode() if isinstance(one, str) else one for one in values]
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))
        elif isinstance(first, float):
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        else:
            try:
                feature = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
            except TypeError:
                raise DataError(
                    f"feature {name!r} holds {type(first).__name__}; expected int, float or str"
                ) from None
        features[name] = feature
    message = tf.train.Example(features=tf.train.Features(feature=features))
    data: bytes = message.SerializeToString(deterministic=True)
    return data


class ShardWriter:
    """Appends serialized examples to one TFRecord file.

    Its methods raise OSError where the disk is full or the folder is gone.
    """

    def __init__(self, path: str | os.PathLike[str]):
        import tensorflow as tf

        with _os_errors():
            self._writer = tf.io.TFRecordWriter(os.fspath(path))

    def write(self, record: bytes) -> None:
        """Appends one record."""
        with _os_errors():
            self._writer.write(record)

    def close(self) -> None:
        """Flushes and closes the file."""
        with _os_errors():
            self._writer.close()


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
    """Turns TensorFlow's errors of the file system, which have no errno, into OSErrors."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        full = isinstance(error, tf.errors.ResourceExhaustedError)
        number = errno.ENOSPC if full else errno.EIO
        raise OSError(number, os.strerror(number)) from error


def write_shard(path: str | os.PathLike[str], records: Iterable[bytes]) -> None:
    """Writes serialized examples as one TFRecord file, in order."""
    writer = ShardWriter(path)
    for record in records:
        writer.write(record)
    writer.close()


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
