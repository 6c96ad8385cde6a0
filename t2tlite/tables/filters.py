"""Which rows become samples, and how many don't and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from t2tlite.assignments import shown
from t2tlite.errors import DataError
from t2tlite.tables.cells import EMPTY, UNREADABLE, Row, text_of
from t2tlite.tables.splits import SPLITS, Shares, hash_of
from t2tlite.tables.table import Dropped, Table

TOO_LONG, RATIO, DUPLICATE = "too long", "length ratio", "duplicate"

# More different labels than this are texts.
_MAX_LABELS = 10_000


@dataclass
class Samples:
    """Makes samples of rows, and counts those that it leaves out.

    Attributes:
      table: the arguments.
      columns: of the cells of each row, by feature; maybe "split".
      split: that of all rows; "train" is divided by `shares`, or by the column "split".
      shares: see `splits.Shares`.
      source: what messages call the rows.
      unit: "line" or "row".
      dropped: rows that were left out, by reason.
      labels: those that occurred.
      rows: the number of rows.
      lowest: the lowest hash of an input for training, if there is a share for evaluation.
    """

    table: Table
    columns: Mapping[str, str]
    split: str
    shares: Shares
    source: str
    unit: str
    dropped: dict[str, Dropped] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    rows: int = 0
    lowest: int = 2**64

    def of(self, rows: Iterable[Row]) -> Iterator[tuple[str, dict[str, str]]]:
        """Yields the split and the texts of each row that becomes a sample.

        Raises:
          DataError: a cell is an object or a list, a split has another name, or there are too many
            labels.
        """
        by_column = self.split == "train" and "split" in self.columns
        by_share = self.split == "train" and self.shares != Shares()
        features = list(self.columns)
        for number, cells, reason, problem in rows:
            self.rows += 1
            if cells is None:
                self._drop(reason, number, problem)
                continue
            try:
                texts = {
                    name: text_of(cell, self.columns[name])
                    for name, cell in zip(features, cells, strict=True)
                }
            except DataError as error:
                raise DataError(f"{self._place(number)}: {error}") from None
            named_split = texts.pop("split", "")
            if reason := self._reason(texts):
                self._drop(reason, number, "")
                continue
            if "label" in texts and not self._keep_label(texts, number):
                continue
            if by_column:
                split = self._named(named_split, number)
            elif by_share:
                position = hash_of(texts)
                split = self.shares.split_of(position)
                if split == "train" and position < self.lowest:
                    self.lowest = position
            else:
                split = self.split
            yield split, texts

    def _reason(self, texts: Mapping[str, str]) -> str:
        """Returns why a sample is left out; "" if it isn't."""
        for text in texts.values():
            if not text or text.isspace():
                return EMPTY
        if not (self.table.max_chars or self.table.max_ratio):
            return ""
        lengths = [len(text) for name, text in texts.items() if name != "label"]
        most, least = max(lengths), min(lengths)
        if self.table.max_chars and most > self.table.max_chars:
            return TOO_LONG
        if self.table.max_ratio and most > self.table.max_ratio * least:
            return RATIO
        return ""

    def _keep_label(self, texts: dict[str, str], number: int) -> bool:
        label = texts["label"] = texts["label"].strip()
        if "\n" in label or "\r" in label:
            # In files and answers a label is a line.
            self._drop(UNREADABLE, number, "its label has several lines")
            return False
        self.labels.add(label)
        if len(self.labels) > _MAX_LABELS:
            raise DataError(
                f"{self.source}: the column {self.columns['label']!r} has more than "
                f"{_MAX_LABELS:,} different values, too many for labels; choose another, or "
                f"text2text_table for texts as targets"
            )
        return True

    def _named(self, name: str, number: int) -> str:
        split = SPLITS.get(name.strip().lower())
        if split is None:
            raise DataError(
                f"{self._place(number)}: the split is {shown(name, quoted=True)}; expected one of "
                f"{', '.join(SPLITS)}"
            )
        return split

    def _place(self, number: int) -> str:
        return f"{self.source}, {self.unit} {number}"

    def _drop(self, reason: str, number: int, problem: str) -> None:
        dropped = self.dropped.setdefault(reason, Dropped())
        if not dropped.count:
            dropped.first = self._place(number) + (f": {problem}" if problem else "")
        dropped.count += 1


def add(total: dict[str, Dropped], part: Mapping[str, Dropped]) -> None:
    """Adds the counts of a part; the first row of a reason stays."""
    for reason, dropped in part.items():
        known = total.setdefault(reason, Dropped(0, dropped.first))
        known.count += dropped.count


def told(dropped: Mapping[str, Dropped], rows: int) -> Iterator[tuple[str, str]]:
    """Yields each reason, the most frequent one first, with a line about it.

    The line is "left out 3 of 500 rows: empty; the first: pairs.csv, line 7", for example.
    """
    for reason, one in sorted(dropped.items(), key=lambda item: -item[1].count):
        first = f"; the first: {one.first}" if one.first else ""
        yield reason, f"left out {one.count:,} of {rows:,} rows: {reason}{first}"
