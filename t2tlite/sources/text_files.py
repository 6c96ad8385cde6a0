"""Samples from text files with a record on each line: T2T's `..._txt_iterator` functions."""

from __future__ import annotations

import gzip
import itertools
import logging
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from t2tlite.errors import DataError

log = logging.getLogger(__name__)

File = str | os.PathLike[str]


def txt_line_iterator(txt_path: File) -> Iterator[str]:
    """Yields the lines of a UTF-8 file without white space around them, as T2T's function.

    Only a newline ends a line. A file whose name ends in .gz is unpacked on the way.

    Raises:
      DataError: the file is missing, isn't UTF-8, or isn't a whole gzip file.
    """
    for line in _lines(Path(txt_path)):
        yield line.strip()


def _lines(path: Path) -> Iterator[str]:
    if not path.exists():
        raise DataError(f"{path} doesn't exist; put it there, or check --tmp_dir")
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        try:
            for number, line in enumerate(file, 1):
                yield _decoded(line, number, path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                f"{path} isn't a whole gzip file ({error}); delete it and get it again"
            ) from error


def _decoded(line: bytes, number: int, path: Path) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: byte {error.start} ({line[error.start]:#04x}) is not UTF-8; "
            f"convert the file"
        ) from None


def parallel(lines: Sequence[Iterator[str]], paths: Sequence[File]) -> Iterator[tuple[str, ...]]:
    """Yields what stands on the same line of several files.

    Args:
      lines: of each file.
      paths: the files, for messages.

    Raises:
      DataError: one ends before the others.
    """
    for number, row in enumerate(itertools.zip_longest(*lines)):
        if None in row:
            raise DataError(
                f"{paths[row.index(None)]} ends after {number} lines and the other file goes on; "
                f"both must have as many lines"
            )
        yield row


def _rows(*paths: File) -> Iterator[tuple[str, ...]]:
    return parallel([txt_line_iterator(path) for path in paths], paths)


def text2text_txt_iterator(
    source_txt_path: File, target_txt_path: File
) -> Iterator[dict[str, str]]:
    """Yields a sample for each pair of lines of two parallel files, as T2T's function.

    Raises:
      DataError: one file ends before the other.
    """
    for inputs, targets in _rows(source_txt_path, target_txt_path):
        yield {"inputs": inputs, "targets": targets}


def text2text_distill_iterator(
    source_txt_path: File, target_txt_path: File, distill_txt_path: File
) -> Iterator[dict[str, str]]:
    """Yields samples with "dist_targets", what a teacher answered, from three parallel files.

    Raises:
      DataError: one file ends before the others.
    """
    for inputs, targets, told in _rows(source_txt_path, target_txt_path, distill_txt_path):
        yield {"inputs": inputs, "targets": targets, "dist_targets": told}


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
      DataError: a label is no number, or none of the names; one file ends before the other.
    """
    numbers = {name: number for number, name in enumerate(class_strs or ())}
    for row, (inputs, label) in enumerate(_rows(source_txt_path, label_txt_path), 1):
        try:
            yield {"inputs": inputs, "label": numbers[label] if class_strs else int(label)}
        except (KeyError, ValueError):
            expected = f"one of {', '.join(numbers)}" if class_strs else "a number"
            raise DataError(
                f"{label_txt_path}, line {row}: found {label!r}; expected {expected}"
            ) from None


def text2text_txt_tab_iterator(txt_path: File) -> Iterator[dict[str, str]]:
    """Yields a sample for each line "inputs TAB targets", as T2T's function.

    Lines without a tab, or with nothing on one side of it, are left out; a warning says how many.
    """
    for inputs, targets in columns(txt_path, 0, 1, splits=1):
        yield {"inputs": inputs, "targets": targets}


def columns(path: File, first: int, second: int, splits: int = -1) -> Iterator[tuple[str, str]]:
    """Yields two columns of a table whose cells are separated by tabs.

    Args:
      path: the file. Lines without a tab, or with an empty one of the two cells, are left out; a
        warning says how many.
      first: number of a column, from 0.
      second: number of the other.
      splits: after how many tabs on a line the rest is one cell; -1: never.

    Raises:
      DataError: a line has too few columns.
    """
    left_out = 0
    for number, line in enumerate(_lines(Path(path)), 1):
        cells = line.split("\t", splits)
        if 1 < len(cells) <= max(first, second):
            raise DataError(
                f"{path}, line {number}: found {len(cells)} columns; expected at least "
                f"{max(first, second) + 1}"
            )
        pair = (cells[first].strip(), cells[second].strip()) if len(cells) > 1 else ("", "")
        if all(pair):
            yield pair
        else:
            left_out += bool(line.strip())
    if left_out:
        log.warning("%s: left out %d lines that lack one of the two texts", path, left_out)
