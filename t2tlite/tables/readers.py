"""Rows of text files: CSV, TSV, JSON lines and plain lines, packed or not."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import itertools
import json
import logging
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from t2tlite import libraries
from t2tlite.errors import DataError
from t2tlite.files import open_binary
from t2tlite.sources.text_files import parallel
from t2tlite.tables.cells import (
    MISSING,
    NOT_UTF8,
    UNREADABLE,
    Row,
    bad_text,
    getter,
    no_column,
)
from t2tlite.tables.parts import PACKED, Part, suffix_of

log = logging.getLogger(__name__)

# The longest cell in characters. A quotation mark that isn't closed makes one of the whole rest.
MAX_CELL = 2**24
# After how many lines without a column an error says so.
_FIRST_LINES = 1000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read(part: Part, columns: Sequence[str], delimiter: str = "") -> Iterator[Row]:
    """Yields the rows of a part with the cells of the columns, in constant memory.

    Raises:
      DataError: a file is missing or damaged, or hasn't the columns.
    """
    if part.data_format in ("parquet", "arrow"):
        # Needs pyarrow.
        from t2tlite.tables import arrow

        return arrow.read(part.paths[0], part.data_format, columns)
    if part.data_format == "text":
        return _read_texts(part, columns)
    read_rows: Callable[..., Iterator[Row]] = {
        "csv": _read_csv,
        "tsv": _read_tsv,
        "jsonl": _read_jsonl,
    }[part.data_format]
    return _read_file(part.paths[0], columns, read_rows, delimiter)


def _read_file(
    path: str, columns: Sequence[str], read_rows: Callable[..., Iterator[Row]], delimiter: str
) -> Iterator[Row]:
    with unpacked(path) as file:
        yield from read_rows(file, path, columns, delimiter)


@contextlib.contextmanager
def unpacked(path: str) -> Iterator[IO[bytes]]:
    """Opens a file, and unpacks it if its name ends in one of `PACKED`.

    Raises:
      DataError: it can't be read, or is damaged; also while the block reads it.
    """
    packing = Path(path).suffix.lower()
    with open_binary(path) as raw:
        try:
            if packing == ".zst":
                file = _zstandard(raw, path)
            elif packing in PACKED:
                file = _OPENERS[packing](raw)
            else:
                file = raw
            with file:
                buffered = io.BufferedReader(file, 1 << 20) if packing == ".zst" else file
                if buffered.peek(2)[:2] in _UTF16:
                    raise DataError(
                        f"{path} is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 {path} > new-file"
                    )
                yield buffered
        except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            what = f"a whole {packing[1:]} file" if packing in PACKED else "readable"
            raise DataError(f"{path} isn't {what} ({error}); get it again") from None


_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda raw: gzip.GzipFile(fileobj=raw),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


def _zstandard(raw: IO[bytes], path: str) -> Any:
    if not libraries.is_installed("pyarrow"):
        raise DataError(f"{path} needs pyarrow; install it with: pip install 't2tlite[tables]'")
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.PythonFile(raw, "r"), "zstd")


@contextlib.contextmanager
def _decoded(file: IO[bytes], newline: str) -> Iterator[io.TextIOWrapper]:
    """Yields the text of a file; bytes that aren't UTF-8 become what `bad_text` finds."""
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline=newline)
    try:
        yield text
    finally:
        # Whoever opened the file closes it, and may have done so.
        with contextlib.suppress(ValueError):
            text.detach()


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Yields lines without their ends: only a line feed, with or without a return, ends one."""
    with _decoded(file, "\n") as text:
        for line in text:
            yield line.removesuffix("\n").removesuffix("\r")


def _positions(columns: Sequence[str]) -> list[int] | None:
    """Returns columns that are numbers as numbers; None if they are names.

    Raises:
      DataError: some are numbers, others not.
    """
    numbers = [column.isdecimal() for column in columns]
    if any(numbers) and not all(numbers):
        raise DataError(
            f"the columns {', '.join(columns)} are names and positions; give names for files with "
            f"a line of names, or positions from 0 for others"
        )
    return [int(column) for column in columns] if all(numbers) else None


def _cells(
    rows: Iterator[tuple[int, list[str]]], path: str, columns: Sequence[str], advice: str
) -> Iterator[Row]:
    """Yields the cells of the columns; the first row has the names, unless columns are numbers."""
    first = list(itertools.islice(rows, 1))
    if not first:
        return
    header = first[0][1]
    positions = _positions(columns)
    if positions is not None:
        rows = itertools.chain(first, rows)
        if max(positions) >= len(header):
            raise no_column(path, columns, range(len(header)), "count positions from 0")
    else:
        names = [name.strip() for name in header]
        missing = [column for column in columns if column not in names]
        if missing:
            raise no_column(path, missing, names, advice)
        if twice := [column for column in columns if names.count(column) > 1]:
            raise DataError(f"{path} has several columns {twice[0]!r}; rename all but one")
        positions = [names.index(column) for column in columns]
    width = len(header)
    for number, cells in rows:
        if len(cells) != width:
            problem = f"found {len(cells)} cells; expected {width}, as in the first line"
            yield Row(number, None, UNREADABLE, problem)
            continue
        wanted = [cells[position] for position in positions]
        if problem := bad_text(wanted):
            yield Row(number, None, NOT_UTF8, problem)
        else:
            yield Row(number, wanted)


_ADVICE = "name others, or give positions from 0 if the file has no line of names"


def _read_csv(file: IO[bytes], path: str, columns: Sequence[str], delimiter: str) -> Iterator[Row]:
    if csv.field_size_limit() < MAX_CELL:
        csv.field_size_limit(MAX_CELL)
    delimiter = delimiter or ","
    advice = _ADVICE
    if delimiter == ",":
        advice += "; --csv_delimiter=';' if that is between cells"
    with _decoded(file, "") as text:
        reader = csv.reader(text, delimiter=delimiter)
        start = 1

        def rows() -> Iterator[tuple[int, list[str]]]:
            nonlocal start
            for row in reader:
                if row:
                    yield start, row
                start = reader.line_num + 1

        try:
            yield from _cells(rows(), path, columns, advice)
        except csv.Error as error:
            raise DataError(
                f"{path}, line {start}: {error}; is a quotation mark not closed, or are the cells "
                f"separated by tabs (--data_format=tsv)?"
            ) from None


def _read_tsv(file: IO[bytes], path: str, columns: Sequence[str], delimiter: str) -> Iterator[Row]:
    rows = ((number, line.split("\t")) for number, line in enumerate(_lines(file), 1) if line)
    yield from _cells(rows, path, columns, _ADVICE)


def _read_jsonl(
    file: IO[bytes], path: str, columns: Sequence[str], delimiter: str
) -> Iterator[Row]:
    getters = [getter(column) for column in columns]
    unseen, first = set(range(len(columns))), None
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        if problem := bad_text([line]):
            yield Row(number, None, NOT_UTF8, problem)
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == 1 and line.strip() in ("[", "[{"):
                raise _no_lines(path) from None
            yield Row(number, None, UNREADABLE, f"is no JSON ({error})")
            continue
        if number == 1 and isinstance(values, list) and values and isinstance(values[0], dict):
            raise _no_lines(path)
        if not isinstance(values, dict | list):
            yield Row(number, None, UNREADABLE, "is no JSON object")
            continue
        first = values if first is None else first
        cells = [get(values) for get in getters]
        if unseen:
            unseen = {i for i in unseen if cells[i] is MISSING}
            if unseen and number >= _FIRST_LINES:
                break
        if problem := bad_text(cells):
            yield Row(number, None, NOT_UTF8, problem)
        else:
            yield Row(number, cells)
    if unseen and first is not None:
        there = first if isinstance(first, dict) else range(len(first))
        raise no_column(path, [columns[i] for i in sorted(unseen)], there, "name others")


def _no_lines(path: str) -> DataError:
    return DataError(
        f"{path} is one JSON list; expected an object on each line: jq -c '.[]' {path} > new.jsonl"
    )


def _read_texts(part: Part, columns: Sequence[str]) -> Iterator[Row]:
    """Yields the lines of texts side by side; columns are positions, or endings of the names."""
    endings = [suffix_of(path)[1:] for path in part.paths]
    positions = []
    for column in columns:
        if column.isdecimal() and int(column) < len(endings):
            positions.append(int(column))
        elif endings.count(column) == 1:
            positions.append(endings.index(column))
        else:
            there = [*range(len(endings)), *filter(None, endings)]
            advice = "give texts side by side with a plus: --data_files='train.en+train.de'"
            raise no_column(part.name, [column], there, advice)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(unpacked(path)) for path in part.paths]
        for number, lines in enumerate(parallel(map(_lines, files), part.paths), 1):
            cells = [lines[position] for position in positions]
            if problem := bad_text(cells):
                yield Row(number, None, NOT_UTF8, problem)
            else:
                yield Row(number, cells)


def warn_if_empty(part: Part, rows: int) -> None:
    """Warns of a part without any row."""
    if not rows:
        log.warning("%s has no rows", part.name)
