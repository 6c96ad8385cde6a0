"""The files of a table, their formats and splits."""

import json
import sys
from types import SimpleNamespace

import pytest

from t2tlite import libraries
from t2tlite.errors import DataError
from t2tlite.tables.parts import find
from t2tlite.tables.table import TEXT2TEXT, Table


def found(**files):
    return [(part.paths, part.data_format, part.split) for part in find(Table(TEXT2TEXT, **files))]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "b.csv",
        "a.CSV.gz",
        "c.tsv",
        "d.jsonl.zst",
        "e.parquet",
        "x.en",
        "x.de",
        "y+z",
        "a.tar.gz",
        "a.xlsx",
    ):
        (tmp_path / name).touch()
    return tmp_path


def test_formats_by_name_and_splits_by_flag(folder):
    assert found(data_files=["*.[cC][sS][vV]*", "c.tsv"], dev_files=["e*"], test_files=["d*"]) == [
        (("a.CSV.gz",), "csv", "train"),
        (("b.csv",), "csv", "train"),
        (("c.tsv",), "tsv", "train"),
        (("e.parquet",), "parquet", "eval"),
        (("d.jsonl.zst",), "jsonl", "test"),
    ]
    assert found(data_files=["b.csv"], data_format="tsv") == [(("b.csv",), "tsv", "train")]


def test_texts_side_by_side(folder):
    assert found(data_files=["x.en+x.de", "y+z"]) == [
        (("x.en", "x.de"), "text", "train"),
        (("y+z",), "text", "train"),
    ]
    with pytest.raises(DataError, match=r"matches 2 and 1 files; expected as many of each"):
        found(data_files=["x.*+x.de"])
    with pytest.raises(DataError, match="only text files can be side by side, not csv"):
        found(data_files=["x.en+x.de"], data_format="csv")


def save(folder, files):
    folder.mkdir()
    entries = [{"filename": name} for name in files]
    (folder / "state.json").write_text(json.dumps({"_data_files": entries}))


def test_folders_of_datasets(folder, caplog):
    save(folder / "one", ["data-0.arrow", "data-1.arrow"])
    assert found(data_files=["one"], dev_files=["one"]) == [
        (("one/data-0.arrow",), "arrow", "train"),
        (("one/data-1.arrow",), "arrow", "train"),
        (("one/data-0.arrow",), "arrow", "eval"),
        (("one/data-1.arrow",), "arrow", "eval"),
    ]
    (folder / "all").mkdir()
    splits = {"splits": ["train", "validation", "test", "unsupervised"]}
    (folder / "all/dataset_dict.json").write_text(json.dumps(splits))
    for name in splits["splits"]:
        save(folder / "all" / name, ["0.arrow"])
    assert found(data_files=["all"]) == [
        (("all/train/0.arrow",), "arrow", "train"),
        (("all/validation/0.arrow",), "arrow", "eval"),
        (("all/test/0.arrow",), "arrow", "test"),
    ]
    assert "all: left out its splits unsupervised" in caplog.text
    with pytest.raises(DataError, match="all has splits of its own, train, validation, test"):
        found(data_files=["b.csv"], dev_files=["all"])
    (folder / "one/state.json").write_text("{")
    with pytest.raises(DataError, match=r"one/state.json is damaged .*; save the data set again"):
        found(data_files=["one"])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("no.csv", "no.csv doesn't exist"),
        ("*.xml", r"no file matches \*.xml"),
        (".", r"\. is a folder, and not one that Dataset.save_to_disk wrote; .*\./\*.csv"),
        ("a.tar.gz", r"a.tar.gz isn't a table that can be read; unpack it first"),
        ("a.xlsx", r"a.xlsx isn't a table that can be read; save it as CSV first"),
    ],
)
def test_what_is_not_there(folder, pattern, message):
    with pytest.raises(DataError, match=message):
        found(data_files=[pattern])


def test_nothing_to_train_on(folder):
    with pytest.raises(DataError, match="there is nothing to train on; give data_files"):
        found(dev_files=["b.csv"])


def test_datasets_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(libraries, "is_installed", lambda package: False)
    with pytest.raises(DataError, match=r"needs Hugging Face datasets; .*'t2tlite\[datasets\]'"):
        found(hub_dataset="owner/name")


def test_a_data_set_of_the_hub(monkeypatch, caplog):
    def load_dataset(name, config):
        if name != "owner/name":
            raise ConnectionError(f"Couldn't reach {name}\nTraceback")
        files = {"train": ["a-0", "a-1"], "validation": ["b"], "extra": ["c"], config: ["d"]}
        return {
            split: SimpleNamespace(cache_files=[{"filename": file} for file in paths])
            for split, paths in files.items()
        }

    monkeypatch.setattr(libraries, "is_installed", lambda package: True)
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert found(hub_dataset="owner/name:test") == [
        *((("a-0",), "arrow", "train"), (("a-1",), "arrow", "train")),
        *((("b",), "arrow", "eval"), (("d",), "arrow", "test")),
    ]
    assert "owner/name:test: left out its splits extra" in caplog.text
    with pytest.raises(
        DataError, match=r"can't load .* no/body \(ConnectionError: Couldn't reach no/body\); check"
    ):
        found(hub_dataset="no/body")
