"""A user's own text files in tmp_dir: finding them, and reading them as UTF-8."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from t2tlite.errors import DataError

_BOM = b"\xef\xbb\xbf"


def find(tmp_dir: str | os.PathLike[str] | None) -> list[Path]:
    """The files `*.txt` right in `tmp_dir`, sorted by name, without hidden ones."""
    if not tmp_dir:
        return []
    found = Path(tmp_dir).expanduser().glob("*.txt")
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def read(path: Path) -> str:
    """Returns the text of a UTF-8 file, with line feeds at the ends of lines.

    Raises:
      DataError: it isn't UTF-8.
    """
    raw = path.read_bytes()
    start = len(_BOM) if raw.startswith(_BOM) else 0
    try:
        text = raw[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, start + error.start, error) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def chunks(path: Path, first: float, last: float, size: int) -> Iterator[str]:
    """Yields a stretch of a UTF-8 file in pieces that follow each other, without reading it whole.

    Args:
      path: the file.
      first: where to start, as a share of its bytes; a character that lies across comes before.
      last: where to stop, likewise; 1.0 for the end.
      size: bytes in a piece: as many whole characters as fit. At least 4, the longest character.

    Raises:
      DataError: it isn't UTF-8.
    """
    total = path.stat().st_size
    with open(path, "rb") as file:
        head = len(_BOM) if file.read(len(_BOM)) == _BOM else 0

        def boundary(share: float) -> int:
            """The first start of a character at or after that share of the file."""
            place = head + int(share * (total - head))
            file.seek(place)
            ahead = file.read(3)
            starts = (n for n, byte in enumerate(ahead) if byte & 0xC0 != 0x80)
            return place + next(starts, len(ahead))

        place, stop = boundary(first), boundary(last)
        while place < stop:
            file.seek(place)
            raw = file.read(min(size, stop - place))
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                cut_off = error.reason == "unexpected end of data" and error.start > 0
                if not cut_off or place + len(raw) >= stop:
                    raise _not_utf8(path, place + error.start, error) from None
                raw = raw[: error.start]
                text = raw.decode("utf-8")
            place += len(raw)
            yield text


def _not_utf8(path: Path, offset: int, error: UnicodeDecodeError) -> DataError:
    byte = error.object[error.start]
    return DataError(
        f"{path} isn't UTF-8: byte {byte:#04x} at offset {offset} ({error.reason}); convert it, "
        f"for example with: iconv -f LATIN1 -t UTF-8"
    )
