"""Rows that a caller has in memory."""

import pytest

from t2tlite.errors import DataError
from t2tlite.tables import store
from t2tlite.tables.rows import GivenRows
from t2tlite.tables.table import COLUMNS, TEXT2CLASS, TEXT2SELF, TEXT2TEXT, Table


def read(tmp_path, rows, kind=TEXT2TEXT, **values):
    table = Table(kind, dev_share=1e-9, **values)
    given = GivenRows(lambda: rows, lambda label: {"0": "no"}.get(label, label))
    stored = given.stored(table, tmp_path)
    found = store.samples_of(tmp_path, 0, "train", COLUMNS[kind])
    return [tuple(sample.values()) for sample in found], stored


def test_dicts_tuples_and_texts(tmp_path):
    expected = [("a", "b"), ("c", "1")]
    dicts = [{"q": "a", "r": "b"}, {"q": "c", "r": 1}, {"q": "e"}]
    found, stored = read(tmp_path, dicts, inputs="q", targets="r")
    assert found == expected
    assert (stored.rows, stored.dropped["empty"].first) == (3, "rows, row 3")
    found, same = read(tmp_path, iter([("a", "b"), ["c", 1]]))
    assert (found, same.sha256) == (expected, stored.sha256)
    assert read(tmp_path, [("b", 0, "a")], inputs="2", targets="0")[0] == [("a", "b")]
    assert read(tmp_path, ["x", "y"], TEXT2SELF)[0] == [("x",), ("y",)]
    assert read(tmp_path, [("x", "0")], TEXT2CLASS)[0] == [("x", "no")]


def test_columns_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="row 1 has no column targets; it has inputs, q"):
        read(tmp_path, [{"inputs": "a", "q": "b"}])
    with pytest.raises(DataError, match="row 2 has no column 1; it has 0"):
        read(tmp_path, [("a", "b"), ("a",)])


def test_half_a_character(tmp_path):
    found, stored = read(tmp_path, [("a", "\ud800"), ("b", "c")])
    assert found == [("b", "c")]
    assert stored.dropped["not UTF-8"].count == 1
