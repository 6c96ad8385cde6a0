"""Checks what callers of the `Decoder` give as texts and as pairs of texts."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any

from t2tlite.assignments import shown
from t2tlite.errors import DataError
from t2tlite.text.encoder import encode_utf8

_TEXTS = "expected a text, or an iterable of texts: a list, a Series, a generator, lines of a file"
_PAIRS = "expected an iterable of (input, target) pairs of texts: [(input, target), ...]"


def texts_of(value: Any, item: str = "line", first: int = 0) -> list[str]:
    """Returns the texts of an iterable, in its order, as plain `str`.

    Args:
      value: any iterable of texts but a single text; an open text file gives its lines.
      item: what messages call one of them.
      first: number of the first, from 0; for messages.

    Raises:
      DataError: it isn't such an iterable, has no order, or an item isn't a text.
    """
    return [
        text_of(text, f"{item} {first + i + 1}") for i, text in enumerate(items_of(value, _TEXTS))
    ]


def text_of(value: Any, name: str) -> str:
    """Returns a text as plain `str`; NumPy's strings are texts, too.

    Raises:
      DataError: it isn't one, or has a lone surrogate; the message calls it `name`.
    """
    if not isinstance(value, str):
        raise DataError(f"{name} is {describe(value)}; expected a text (str){_advice(value)}")
    try:
        encode_utf8(value)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    return str(value)


def label_of(value: Any, name: str, expected: str = "a label: a text or an integer") -> str:
    """Returns a label, a text or a whole number, as text.

    Raises:
      DataError: it is neither; the message calls it `name` and says what was `expected`.
    """
    if isinstance(value, str):
        return text_of(value, name)
    if hasattr(value, "dtype") and hasattr(value, "item"):
        # A number or a truth value of NumPy.
        value = value.item()
    if isinstance(value, int):
        return str(value)
    raise DataError(f"{name} is {describe(value)}; expected {expected}")


def pairs_of(
    value: Any, has_inputs: bool = True, are_labels: bool = False
) -> list[tuple[str, str]]:
    """Returns (input, target) pairs of texts, in order.

    Args:
      value: an iterable of tuples or lists of two texts, or of dicts with "inputs" and "targets".
      has_inputs: False for a language model: a text alone is a target, too.
      are_labels: whether the targets are class labels, which may be integers.

    Raises:
      DataError: it isn't such an iterable, or an item isn't a pair of texts.
    """
    if isinstance(value, str):
        raise DataError(f"found the text {shown(value, quoted=True)}; {_PAIRS}")
    return [
        _pair(item, f"pair {number}", has_inputs, label_of if are_labels else text_of)
        for number, item in enumerate(items_of(value, _PAIRS), 1)
    ]


def _pair(
    item: Any, name: str, has_inputs: bool, target_of: Callable[[Any, str], str]
) -> tuple[str, str]:
    if isinstance(item, str) and not has_inputs:
        return "", text_of(item, name)
    if isinstance(item, Mapping):
        names = ["inputs", "targets"] if has_inputs else ["targets"]
        if missing := [key for key in names if key not in item]:
            raise DataError(f"{name} has no {' and no '.join(map(repr, missing))}; {_PAIRS}")
        texts = [item.get("inputs", ""), item["targets"]]
    elif isinstance(item, str | bytes | Set) or not isinstance(item, Iterable):
        raise DataError(f"{name} is {describe(item)}; {_PAIRS}")
    elif len(texts := list(item)) != 2:
        raise DataError(f"{name} has {len(texts)} items instead of 2; {_PAIRS}")
    return text_of(texts[0], f"the input of {name}"), target_of(texts[1], f"the target of {name}")


def items_of(value: Any, expected: str) -> Iterator[Any]:
    """Returns an iterator over the items of an ordered iterable; an open text file gives its lines.

    Raises:
      DataError: it isn't one; the message says what was `expected`.
    """
    if isinstance(value, io.TextIOBase):
        return (line.rstrip("\r\n") for line in value)
    if hasattr(value, "column_names") or type(value).__name__ == "DataFrame":
        # Iterating over a table gives the names of its columns, or dicts.
        names = list(getattr(value, "column_names", None) or getattr(value, "columns", []))
        advice = "zip two of its columns" if expected is _PAIRS else "choose one of its columns"
        columns = ", ".join(map(shown, names[:5]))
        raise DataError(f"found a table with the columns {columns}; {expected}: {advice}")
    if isinstance(value, Mapping):
        raise DataError(f"found a dict; {expected}: choose its keys(), values() or items()")
    if isinstance(value, set | frozenset):
        raise DataError(f"found a set, which has no order; {expected}")
    if isinstance(value, bytes | bytearray):
        raise DataError(f"found {describe(value)}; {expected}{_advice(value)}")
    try:
        return iter(value)
    except TypeError:
        raise DataError(f"found {describe(value)}; {expected}") from None


def describe(value: Any) -> str:
    """Returns a value with its type, for messages."""
    if value is None:
        return "None"
    if _is_missing(value):
        return f"{'NaN' if isinstance(value, float) else value}, a missing value"
    return f"{type(value).__name__} {shown(value, quoted=True)}"


def _is_missing(value: Any) -> bool:
    """Whether it is None, NaN, or what pandas has in their place."""
    is_nan = isinstance(value, float) and value != value
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def _advice(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        return ": decode the bytes"
    if _is_missing(value):
        return ": leave it out, or put '' in its place"
    return ""
