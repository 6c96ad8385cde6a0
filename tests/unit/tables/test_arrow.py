"""Rows of Parquet and Arrow files."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from t2tlite import libraries
from t2tlite.errors import DataError
from t2tlite.tables.arrow import read

FEATURES = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
METADATA = {b"huggingface": json.dumps({"info": {"features": FEATURES}}).encode()}
TABLE = pyarrow.table(
    {
        "t": [{"en": "a", "de": "b"}, {"en": None, "de": "d"}, None],
        "n": [1, None, 2.5],
        "label": [1, 0, -1],
        "a.b": ["x", "y", "z"],
    }
).replace_schema_metadata(METADATA)


def write(path, kind, table=TABLE):
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path)
        return
    new = pyarrow.ipc.new_file if kind == "file" else pyarrow.ipc.new_stream
    with new(str(path), table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("kind", ["parquet", "stream", "file"])
def test_columns_nested_values_and_names_of_labels(tmp_path, kind):
    path = tmp_path / "x"
    write(path, kind)
    data_format = "parquet" if kind == "parquet" else "arrow"
    found = list(read(str(path), data_format, ["t.en", "n", "label", "a.b"]))
    assert [row.number for row in found] == [1, 2, 3]
    assert [row.cells[1:] for row in found] == [
        [1, "yes", "x"],
        [None, "no", "y"],
        [2.5, None, "z"],
    ]
    assert found[0].cells[0] == "a"
    assert found[1].cells[0] is None
    with pytest.raises(DataError, match="no column q; it has t, n, label, a.b"):
        list(read(str(path), data_format, ["q"]))
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:7], b"", b"no such format" * 99):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=f"x isn't a whole {data_format} file"):
            list(read(str(path), data_format, ["n"]))


def test_bytes_that_are_not_utf8_are_a_row_that_cannot_be_read(tmp_path):
    binary = pyarrow.array([b"caf\xe9", "café".encode()])
    write(tmp_path / "x", "parquet", pyarrow.table({"a": binary.cast("string", safe=False)}))
    rows = list(read(str(tmp_path / "x"), "parquet", ["a"]))
    assert (rows[0].cells, rows[0].reason) == (None, "not UTF-8")
    assert rows[1].cells == ["café"]


def test_a_missing_pyarrow_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(libraries, "is_installed", lambda package: False)
    with pytest.raises(DataError, match=r"needs pyarrow .* pip install 't2tlite\[tables\]'"):
        list(read(str(tmp_path / "x"), "parquet", ["a"]))
