"""The rows that `fit` learns from: pairs, texts or labelled texts in all forms that users have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from t2tlite.assignments import shown
from t2tlite.decode.texts import describe, items_of, label_of, text_of
from t2tlite.errors import DataError

# A column by its name or, of tuples, its position.
Column = str | int

# What a row is: two texts, a text and a label, or one text.
TEXTS, LABELLED, ALONE = "inputs and targets", "inputs and label", "targets"

_EXPECTED = "expected (input, target) pairs, dicts, a table or texts"


@dataclass(frozen=True)
class Layout:
    """Where the texts of a row are.

    Attributes:
      kind: TEXTS, LABELLED or ALONE.
      columns: by feature, "inputs", "targets" or "label". A row that isn't a tuple or a dict is the
        one text itself.
      size: number of items that each row must have; None: any.
    """

    kind: str
    columns: Mapping[str, Column]
    size: int | None = None

    def read(self, row: Any, name: str) -> dict[str, str]:
        """Returns the texts of a row by feature; a label as text.

        Args:
          row: the row.
          name: what messages call it.

        Raises:
          DataError: it hasn't this layout, or a value isn't a text.
        """
        if isinstance(row, str):
            if self.kind != ALONE:
                raise DataError(f"{name} is {describe(row)}; expected {self.kind}, as row 1")
            return {"targets": text_of(row, name)}
        if self.size and len(row) != self.size:
            raise DataError(f"{name} is {describe(row)}; expected {self.size} items, as row 1")
        texts = {}
        for feature, column in self.columns.items():
            try:
                value = row[column]
            except (KeyError, IndexError, TypeError):
                raise DataError(
                    f"{name} is {describe(row)}, without {column!r}; expected {self.kind}"
                ) from None
            read = label_of if feature == "label" else text_of
            texts[feature] = read(value, f"{feature} of {name}")
            # In files and answers a label is a line, and a blank line is no answer.
            if feature == "label" and (not texts[feature].strip() or "\n" in texts[feature]):
                raise DataError(f"label of {name} is {describe(value)}; expected one line of text")
        return texts


def iterate(rows: Any) -> Iterator[Any]:
    """Returns an iterator over the rows of a list, table, Series, generator or generator function.

    Raises:
      DataError: they aren't rows, or have no order.
    """
    if isinstance(rows, Mapping):
        raise DataError(
            f"found {describe(rows)}; {_EXPECTED}: choose one of its splits or items(), or make a "
            f"table of columns with pandas.DataFrame"
        )
    if isinstance(rows, str):
        raise DataError(f"found {describe(rows)}; {_EXPECTED}")
    if callable(rows):
        return iterate(rows())
    if hasattr(rows, "itertuples"):
        # A DataFrame; iterating over it gives the names of its columns.
        columns = list(rows.columns)
        if twice := [name for name, count in Counter(columns).items() if count > 1]:
            raise DataError(f"the table has several columns {twice[0]!r}; rename all but one")
        values = zip(*(rows[column] for column in columns), strict=True)
        return (dict(zip(columns, row, strict=True)) for row in values)
    if hasattr(rows, "column_names"):
        # A Dataset of Hugging Face; iterating over it gives dicts.
        return iter(rows)
    return items_of(rows, _EXPECTED)


def layout_of(
    row: Any, inputs: Column | None, targets: Column | None, label: Column | None, name: str
) -> Layout:
    """Returns the layout of the first row.

    Args:
      row: the first row.
      inputs, targets, label: the columns, as far as the caller named them.
      name: what messages call the row.

    Raises:
      DataError: it isn't a pair, dict or text, or hasn't the columns.
    """
    if label is not None and targets is not None:
        raise DataError(f"targets={targets!r} and label={label!r}; give one of them")
    named = {"inputs": inputs, "targets": targets, "label": label}
    for feature, column in named.items():
        if column is not None and not isinstance(column, str | int):
            raise DataError(
                f"{feature}={shown(column, quoted=True)}; expected the name of a column"
            )
    if isinstance(row, str):
        if (inputs, targets, label) != (None, None, None):
            raise DataError(f"{name} is {describe(row)}, a text without columns; {_EXPECTED}")
        return Layout(ALONE, {})
    size = None
    if isinstance(row, Mapping):
        columns = _columns_of_dict(row, inputs, targets, label)
    elif not isinstance(row, Sequence | np.ndarray) or isinstance(row, bytes):
        raise DataError(f"{name} is {describe(row)}; {_EXPECTED}")
    else:
        columns = _columns_of_tuple(row, inputs, targets, label, name)
        size = 2 if (inputs, targets, label) == (None, None, None) else None
    kind = ALONE if "inputs" not in columns else LABELLED if "label" in columns else TEXTS
    return Layout(kind, columns, size)


def _columns_of_dict(
    row: Mapping[Any, Any], inputs: Column | None, targets: Column | None, label: Column | None
) -> dict[str, Column]:
    if targets is None and label is None:
        label = "label" if "label" in row and "targets" not in row else None
        targets = "targets" if label is None else None
    if inputs is None and (label is not None or "inputs" in row):
        inputs = "inputs"
    given = {"inputs": inputs, "targets": targets, "label": label}
    columns = {feature: column for feature, column in given.items() if column is not None}
    missing = [column for column in columns.values() if column not in row]
    if missing:
        raise DataError(
            f"the rows have the columns {', '.join(shown(name) for name in row)} and no "
            f"{' and no '.join(map(repr, missing))}; name them: inputs=... and targets=... or "
            f"label=...; targets=... alone for a language model"
        )
    return columns


def _columns_of_tuple(
    row: Any, inputs: Column | None, targets: Column | None, label: Column | None, name: str
) -> dict[str, Column]:
    if (inputs, targets, label) == (None, None, None):
        if len(row) != 2:
            raise DataError(f"{name} is {describe(row)}, of {len(row)} items; {_EXPECTED}")
        if isinstance(row[1], str):
            return {"inputs": 0, "targets": 1}
        label_of(row[1], f"the second item of {name}", "a text, or a label: a text or an integer")
        return {"inputs": 0, "label": 1}
    if inputs is None and label is not None:
        inputs = 0
    given = {"inputs": inputs, "targets": targets, "label": label}
    if targets is None and label is None:
        raise DataError(f"inputs={inputs!r} alone; give targets or label, too")
    return {feature: column for feature, column in given.items() if column is not None}


def label_names(rows: Any, column: Column | None) -> Callable[[str], str]:
    """Returns what maps a label to its text: a Dataset of Hugging Face has names for numbers."""
    feature = dict(getattr(rows, "features", None) or {}).get(column or "label")
    names = getattr(feature, "names", None)
    return (lambda label: str(names[int(label)])) if names else (lambda label: label)
