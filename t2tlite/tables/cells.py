"""Cells of a row: found by a column's name or path, and made texts of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from t2tlite.assignments import shown
from t2tlite.errors import DataError

# What a row is without a value in a column.
MISSING = object()
# Bytes that aren't UTF-8, as "surrogateescape" decodes them.
_BAD_BYTE = re.compile("[\udc80-\udcff]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# Reasons why rows are left out.
UNREADABLE, NOT_UTF8, EMPTY = "unreadable", "not UTF-8", "empty"


class Row(NamedTuple):
    """A row of a file.

    Attributes:
      number: of its first line or, where there are no lines, of the row; from 1.
      cells: the values of the wanted columns; None if the row can't be read.
      reason, problem: why it can't be read: UNREADABLE or NOT_UTF8, and what is wrong.
    """

    number: int
    cells: Sequence[Any] | None
    reason: str = ""
    problem: str = ""


def getter(column: str) -> Callable[[Any], Any]:
    """Returns a function that finds a column in an object or a list; MISSING if it isn't there.

    A column is a name, or a path of names and positions: "translation.en", "answers.text.0".
    """
    steps = column.split(".")

    def get(row: Any) -> Any:
        if isinstance(row, Mapping) and column in row:
            return row[column]
        value = row
        for step in steps:
            if isinstance(value, Mapping) and step in value:
                value = value[step]
            elif isinstance(value, list | tuple) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return MISSING
        return value

    return get


def text_of(value: Any, column: str) -> str:
    """Returns a cell as text; "" for None and NaN.

    Raises:
      DataError: it is an object or a list; the message names what it holds.
    """
    if type(value) is str:
        return value
    if value is None or value is MISSING or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, float) and value != value:
        return ""
    if isinstance(value, Mapping):
        first = next(iter(value), "name")
        raise DataError(
            f"{column!r} is an object of {', '.join(map(shown, value)) or 'nothing'}; name one of "
            f"its values: {shown(f'{column}.{first}')}"
        )
    if isinstance(value, list | tuple) or (hasattr(value, "shape") and value.shape):
        raise DataError(f"{column!r} is a list; name one of its values: {shown(f'{column}.0')}")
    return str(value)


def bad_text(cells: Iterable[Any]) -> str:
    """Returns what keeps decoded cells from being UTF-8; "" if nothing does."""
    for cell in cells:
        if type(cell) is str and not cell.isascii():
            if found := _BAD_BYTE.search(cell):
                return f"byte {ord(found[0]) - 0xDC00:#04x} is not UTF-8"
            if found := _LONE_SURROGATE.search(cell):
                return f"{found[0]!a} is half of a character"
    return ""


def no_column(where: str, missing: Iterable[str], there: Iterable[Any], advice: str) -> DataError:
    """Returns an error about columns that a file hasn't, which lists those that it has."""
    names = " and no ".join(shown(name) for name in missing)
    found = ", ".join(shown(name) for name in there) or "none"
    return DataError(f"{where} has no column {names}; it has {found}: {advice}")
