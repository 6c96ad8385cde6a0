"""Lines of text files, read one after the other: a file of any length takes no more memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from t2tlite.errors import DataError

_CHUNK_BYTES = 1 << 20


def each_line(path: str | os.PathLike[str], delimiter: str = "\n") -> Iterator[str]:
    """Yields the lines of a UTF-8 file, without the one that its last line break opens.

    Args:
      path: the file; line breaks may be those of Windows.
      delimiter: between lines.

    Raises:
      DataError: it is missing, or isn't UTF-8.
    """
    if not Path(path).is_file():
        raise DataError(f"{path} doesn't exist; check the name")
    separator = delimiter.encode()
    # Of the line, as an editor counts, at which `rest` begins.
    number, rest = 1, b""
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            *pieces, rest = (rest + chunk).split(separator)
            for piece in pieces:
                yield _text(piece + separator, path, number).removesuffix(delimiter)
                number += piece.count(b"\n") + separator.count(b"\n")
    if rest:
        yield _text(rest, path, number)


def _text(piece: bytes, path: str | os.PathLike[str], number: int) -> str:
    try:
        return piece.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = number + piece[: error.start].count(b"\n")
        raise DataError(
            f"{path}, line {line}: byte {piece[error.start]:#04x} is not UTF-8; convert the file"
        ) from None


def read_lines(path: str | os.PathLike[str], delimiter: str = "\n") -> list[str]:
    """Returns all that `each_line` yields.

    Raises:
      DataError: as `each_line`.
    """
    return list(each_line(path, delimiter))


def count_lines(path: str | os.PathLike[str], delimiter: str = "\n") -> int:
    """Returns the number of lines of a file that can be read from beginning to end.

    Raises:
      DataError: as `each_line`.
    """
    return sum(1 for _ in each_line(path, delimiter))


def check_beside(
    path: str | os.PathLike[str],
    source: str | os.PathLike[str],
    lines: int,
    delimiter: str = "\n",
) -> None:
    """Makes sure that a file has a line, even if a blank one, for each of `source`.

    Args:
      path: the file.
      source: names the other file.
      lines: how many it has.
      delimiter: between lines, in both.

    Raises:
      DataError: it has another number of lines, is missing, or isn't UTF-8.
    """
    found = count_lines(path, delimiter)
    if found != lines:
        raise DataError(f"{source} has {lines:,} lines and {path} has {found:,}; they must agree")
