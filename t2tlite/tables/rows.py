"""Rows that a caller has in memory, in place of files."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite.tables.cells import MISSING, NOT_UTF8, Row, bad_text, getter, no_column
from t2tlite.tables.store import Stored, store_rows
from t2tlite.tables.table import Table, columns_of


@dataclass
class GivenRows:
    """Rows, each an object with names, a list or tuple, or one text.

    Attributes:
      rows: returns them.
      label_name: from a label to its name.
    """

    rows: Callable[[], Iterable[Any]]
    label_name: Callable[[Any], Any] = lambda label: label

    def stored(self, table: Table, folder: Path) -> Stored:
        """Stores the samples of the rows in a folder.

        Raises:
          DataError: a row can't be used.
        """
        rows = iter(self.rows())
        first = list(itertools.islice(rows, 1))
        columns = columns_of(table, bool(first) and isinstance(first[0], Mapping))
        read = self._read(itertools.chain(first, rows), columns)
        return store_rows(table, read, columns, folder)

    def _read(self, rows: Iterable[Any], columns: Mapping[str, str]) -> Iterator[Row]:
        getters = {feature: getter(column) for feature, column in columns.items()}
        for number, row in enumerate(rows, 1):
            values = [row] if isinstance(row, str) else row
            cells = {feature: get(values) for feature, get in getters.items()}
            missing = [columns[name] for name, cell in cells.items() if cell is MISSING]
            # An object of a later row may lack a value: it is empty.
            if missing and not (number > 1 and isinstance(row, Mapping)):
                there = row if isinstance(row, Mapping) else range(len(values))
                raise no_column(f"row {number}", missing, there, "name others")
            if "label" in cells and cells["label"] is not MISSING:
                cells["label"] = self.label_name(cells["label"])
            if problem := bad_text(cells.values()):
                yield Row(number, None, NOT_UTF8, problem)
            else:
                yield Row(number, list(cells.values()))
