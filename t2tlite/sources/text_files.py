"""Lines of UTF-8 text files, and T2T's `..._txt_iterator` functions that make samples of them.

Files are read as streams: their size doesn't matter for memory.
"""

from __future__ import annotations

import codecs
import gzip
import itertools
import logging
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from t2tlite.errors import DataError
from t2tlite.files import BYTE_ORDER_MARK

log = logging.getLogger(__name__)

File = str | os.PathLike[str]

_CHUNK_BYTES = 1 << 20


def each_line(path: File, delimiter: str = "\n") -> Iterator[str]:
    """Yields the lines of a UTF-8 file without their line breaks.

    Only the delimiter ends a line, not the other line breaks of Unicode. A last delimiter opens no
    further line. A byte-order mark at the start of the file is dropped.

    Args:
      path: the file, packed by gzip if its name ends in .gz; "\\r\\n" is read as "\\n".
      delimiter: ends a line.

    Raises:
      DataError: the file is missing, unreadable, isn't UTF-8, or isn't a whole gzip file.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise DataError(f"{path} is a folder; expected a file")
    if not os.path.isfile(path):
        raise DataError(f"{path} doesn't exist; put it there, or check the path")
    separator, byte_order_mark = delimiter.encode(), BYTE_ORDER_MARK.encode()
    # Number, as editors count, of the line at which `rest` begins.
    number, rest = 1, b""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            if file.read(len(byte_order_mark)) != byte_order_mark:
                file.seek(0)
            # At least as much as the rest, so that the time for a long line is linear.
            while chunk := file.read(max(_CHUNK_BYTES, len(rest))):
                *pieces, rest = (rest + chunk).split(separator)
                for piece in pieces:
                    yield _decode(piece + separator, path, number).removesuffix(delimiter)
                    number += piece.count(b"\n") + separator.count(b"\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path} isn't a whole gzip file ({error}); delete it and get it again"
        ) from error
    except OSError as error:
        raise DataError(
            f"can't read {path}: {error.strerror or error}; check its permissions"
        ) from error
    if rest:
        yield _decode(rest, path, number)


def _decode(piece: bytes, path: Path, number: int) -> str:
    try:
        return piece.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = number + piece[: error.start].count(b"\n")
        is_utf16 = number == 1 and piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        raise DataError(
            f"{path}, line {line}: byte {piece[error.start]:#04x} is not UTF-8; convert the file "
            f"from its encoding, probably: iconv -f {'UTF-16' if is_utf16 else 'LATIN1'} -t UTF-8 "
            f"{path} > new-file"
        ) from None


def read_lines(path: File, delimiter: str = "\n") -> list[str]:
    """Returns what `each_line` yields."""
    return list(each_line(path, delimiter))


def count_lines(path: File, delimiter: str = "\n") -> int:
    """Returns the number of lines, after reading the whole file as `each_line` does."""
    return sum(1 for _ in each_line(path, delimiter))


def check_line_count(path: File, source: File, lines: int, delimiter: str = "\n") -> None:
    """Checks that `path` has as many lines as `source`, another file, which has `lines`.

    Raises:
      DataError: the numbers differ, or `path` can't be read.
    """
    count = count_lines(path, delimiter)
    if count != lines:
        raise DataError(f"{source} has {lines:,} lines and {path} has {count:,}; they must agree")


def txt_line_iterator(txt_path: File) -> Iterator[str]:
    """Yields the lines of `each_line` without surrounding white space, as T2T's function."""
    return map(str.strip, each_line(txt_path))


def parallel(lines: Iterable[Iterator[str]], paths: Sequence[File]) -> Iterator[tuple[str, ...]]:
    """Yields the lines of several files side by side.

    Raises:
      DataError: a file has fewer lines than the others.
    """
    for number, row in enumerate(itertools.zip_longest(*lines)):
        if None in row:
            raise DataError(
                f"{paths[row.index(None)]} ends after {number} lines and the other file is longer; "
                f"both must have the same number of lines"
            )
        yield row


def text2text_txt_iterator(
    source_txt_path: File, target_txt_path: File
) -> Iterator[dict[str, str]]:
    """Yields a sample for each pair of lines of two parallel files, as T2T's function.

    Raises:
      DataError: a file has fewer lines than the other.
    """
    paths = source_txt_path, target_txt_path
    for inputs, targets in parallel(map(txt_line_iterator, paths), paths):
        yield {"inputs": inputs, "targets": targets}


def text2text_distill_iterator(
    source_txt_path: File, target_txt_path: File, distill_txt_path: File
) -> Iterator[dict[str, str]]:
    """Yields samples with "dist_targets", a teacher model's output, from three parallel files.

    Raises:
      DataError: a file has fewer lines than the others.
    """
    paths = source_txt_path, target_txt_path, distill_txt_path
    for inputs, targets, dist_targets in parallel(map(txt_line_iterator, paths), paths):
        yield {"inputs": inputs, "targets": targets, "dist_targets": dist_targets}


def text2self_txt_iterator(txt_path: File) -> Iterator[dict[str, str]]:
    """Yields a sample {"targets": line} for each line, as T2T's function."""
    for line in txt_line_iterator(txt_path):
        yield {"targets": line}


def text2class_txt_iterator(
    source_txt_path: File, label_txt_path: File, class_strs: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yields a sample with "inputs" and "label" for each pair of lines, as T2T's function.

    Args:
      source_txt_path: the texts.
      label_txt_path: their labels: numbers, or names if there are `class_strs`.
      class_strs: the names in the order of their numbers.

    Raises:
      DataError: a label isn't a number, or not one of the names; a file has fewer lines.
    """
    numbers = {name: number for number, name in enumerate(class_strs or ())}
    paths = source_txt_path, label_txt_path
    for row, (inputs, label) in enumerate(parallel(map(txt_line_iterator, paths), paths), 1):
        try:
            yield {"inputs": inputs, "label": numbers[label] if class_strs else int(label)}
        except (KeyError, ValueError):
            expected = f"one of {', '.join(numbers)}" if class_strs else "a number"
            raise DataError(
                f"{label_txt_path}, line {row}: found {label!r}; expected {expected}"
            ) from None


def text2text_txt_tab_iterator(txt_path: File) -> Iterator[dict[str, str]]:
    """Yields a sample for each line "inputs TAB targets", as T2T's function.

    Lines without a tab, or with an empty text, are left out; a warning says how many.
    """
    for inputs, targets in columns(txt_path, 0, 1, splits=1):
        yield {"inputs": inputs, "targets": targets}


def columns(path: File, first: int, second: int, splits: int = -1) -> Iterator[tuple[str, str]]:
    """Yields two columns, counted from 0, of a table whose cells are separated by tabs.

    Lines without a tab, or where one of the two cells is empty, are left out; a warning says how
    many. Only the first `splits` tabs of a line separate cells; -1: all.

    Raises:
      DataError: a line has too few columns.
    """
    left_out, needed = 0, max(first, second) + 1
    for number, line in enumerate(each_line(path), 1):
        cells = line.split("\t", splits)
        if 1 < len(cells) < needed:
            raise DataError(
                f"{path}, line {number}: found {len(cells)} columns; expected at least {needed}"
            )
        pair = (cells[first].strip(), cells[second].strip()) if len(cells) > 1 else ("", "")
        if all(pair):
            yield pair
        else:
            left_out += bool(line.strip())
    if left_out:
        log.warning("%s: left out %d lines that lack one of the two texts", path, left_out)
