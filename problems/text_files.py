"""Finds the user's own text files in tmp_dir and reads them as UTF-8."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from t2tlite.errors import DataError

_BOM = b"\xef\xbb\xbf"


def find(tmp_dir: str | os.PathLike[str] | None) -> list[Path]:
    """Returns the files `*.txt` in `tmp_dir`, without subfolders and hidden files, sorted."""
    if not tmp_dir:
        return []
    paths = Path(tmp_dir).expanduser().glob("*.txt")
    return sorted(path for path in paths if path.is_file() and not path.name.startswith("."))


def read(path: Path) -> str:
    """Returns the text of a UTF-8 file, with \\n line ends and without a byte order mark.

    Raises:
      DataError: the file isn't UTF-8.
    """
    raw = path.read_bytes()
    start = len(_BOM) if raw.startswith(_BOM) else 0
    try:
        text = raw[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, start + error.start, error) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def chunks(path: Path, first: float, last: float, size: int) -> Iterator[str]:
    """Yields consecutive chunks of a part of a UTF-8 file, without reading all of it.

    Args:
      path: the file.
      first: start of the part, as a fraction of the file's bytes; rounded up to a character.
      last: end of the part, likewise; 1.0: the end of the file.
      size: bytes per chunk, rounded down to whole characters; at least 4, the longest character.

    Raises:
      DataError: the file isn't UTF-8.
    """
    total = path.stat().st_size
    with open(path, "rb") as file:
        head = len(_BOM) if file.read(len(_BOM)) == _BOM else 0

        def boundary(fraction: float) -> int:
            """Returns the offset of the first character at or after a fraction of the file."""
            offset = head + int(fraction * (total - head))
            file.seek(offset)
            ahead = file.read(3)
            starts = (n for n, byte in enumerate(ahead) if byte & 0xC0 != 0x80)
            return offset + next(starts, len(ahead))

        offset, stop = boundary(first), boundary(last)
        while offset < stop:
            file.seek(offset)
            raw = file.read(min(size, stop - offset))
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                cut_off = error.reason == "unexpected end of data" and error.start > 0
                if not cut_off or offset + len(raw) >= stop:
                    raise _not_utf8(path, offset + error.start, error) from None
                raw = raw[: error.start]
                text = raw.decode("utf-8")
            offset += len(raw)
            yield text


def _not_utf8(path: Path, offset: int, error: UnicodeDecodeError) -> DataError:
    with open(path, "rb") as file:
        line = 1 + file.read(offset).count(b"\n")
    byte = error.object[error.start]
    return DataError(
        f"{path}, line {line}: byte {byte:#04x} is not UTF-8; convert the file "
        f"from its encoding, probably: iconv -f LATIN1 -t UTF-8 {path} > new-file"
    )
