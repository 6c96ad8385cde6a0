"""Which rows become samples."""

import pytest

from t2tlite.errors import DataError
from t2tlite.tables.cells import Row
from t2tlite.tables.filters import Samples, add, told
from t2tlite.tables.splits import Shares
from t2tlite.tables.table import TEXT2CLASS, TEXT2TEXT, Dropped, Table, columns_of


def samples(table, cells, split="train", shares=None):
    made = Samples(
        *(table, columns_of(table, named=True), split, shares or Shares()), "x.csv", "line"
    )
    rows = [Row(number, row) for number, row in enumerate(cells, 2)]
    return made, rows


def counts(made):
    return {reason: (one.count, one.first) for reason, one in made.dropped.items()}


def test_filters_count_and_name_the_first():
    table = Table(TEXT2TEXT, max_chars=8, max_ratio=2)
    cells = [
        *[("a", ""), (" \t", "b"), ("ab", "cde"), ("ab", "abcde"), ("123456789", "12345678")],
        *[("a", None), (1, 2)],
    ]
    made, rows = samples(table, cells)
    rows.append(Row(9, None, "unreadable", "is no JSON"))
    assert [texts for _, texts in made.of(rows)] == [
        {"inputs": "ab", "targets": "cde"},
        {"inputs": "1", "targets": "2"},
    ]
    assert made.rows == 8
    assert counts(made) == {
        "empty": (3, "x.csv, line 2"),
        "length ratio": (1, "x.csv, line 5"),
        "too long": (1, "x.csv, line 6"),
        "unreadable": (1, "x.csv, line 9: is no JSON"),
    }
    total = {"empty": Dropped(1, "w.csv, line 1")}
    add(total, made.dropped)
    assert next(told(total, 9)) == (
        *("empty", "left out 4 of 9 rows: empty; the first: w.csv, line 1"),
    )


def test_the_column_of_the_split():
    table = Table(TEXT2TEXT, split_column="s")
    made, rows = samples(
        table, [("a", "b", "Train"), ("c", "d", " validation"), ("e", "f", "test")]
    )
    assert [split for split, _ in made.of(rows)] == ["train", "eval", "test"]
    made, rows = samples(table, [("a", "b", "holdout")])
    with pytest.raises(DataError, match=r"x.csv, line 2: the split is 'holdout'; expected one of"):
        list(made.of(rows))


def test_shares_go_by_the_input_alone():
    shares = Shares.of(0.3, 0.2)
    made, rows = samples(
        Table(TEXT2TEXT), [(str(i % 100), str(i)) for i in range(500)], shares=shares
    )
    by_input = {}
    for split, texts in made.of(rows):
        by_input.setdefault(texts["inputs"], set()).add(split)
    assert {len(splits) for splits in by_input.values()} == {1}
    assert {split for splits in by_input.values() for split in splits} == {"train", "eval", "test"}
    made, rows = samples(Table(TEXT2TEXT), [("a", "b")] * 9, "eval", shares)
    assert {split for split, _ in made.of(rows)} == {"eval"}


def test_labels():
    made, rows = samples(
        Table(TEXT2CLASS, max_ratio=2), [("abc", " 1 "), ("def", 2), ("g", "a\nb")]
    )
    assert [texts["label"] for _, texts in made.of(rows)] == ["1", "2"]
    assert made.labels == {"1", "2"}
    assert counts(made) == {"unreadable": (1, "x.csv, line 4: its label has several lines")}
    made, rows = samples(Table(TEXT2CLASS), [("a", str(i)) for i in range(10_001)])
    with pytest.raises(DataError, match=r"'label' has more than 10,000 different values"):
        list(made.of(rows))


def test_a_nested_cell_names_its_place():
    made, rows = samples(Table(TEXT2TEXT), [("a", {"x": 1})])
    with pytest.raises(DataError, match=r"x.csv, line 2: 'targets' is an object of x; .*targets.x"):
        list(made.of(rows))
