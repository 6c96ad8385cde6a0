"""Problems of tables: from files to a data folder that describes its problem."""

import gzip
import json
import logging

import pytest

from t2tlite import registry, table_problems, text_problems
from t2tlite.batches.examples import each_row
from t2tlite.config import HParams
from t2tlite.data import manifest
from t2tlite.datagen.generate_data import generate_data
from t2tlite.errors import DataError, UnknownNameError
from t2tlite.tables import store
from t2tlite.tables.table import TEXT2CLASS, TEXT2SELF, TEXT2TEXT, Table, read_description
from t2tlite.text.encoder import text_ids

pytestmark = pytest.mark.usefixtures("no_tables")

ROWS = [(f"question {i}", f"answer {i % 7}") for i in range(200)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "".join(f"{a},{b}\n" for a, b in ROWS)
    (tmp_path / "x.csv").write_text(f"question,answer\n{lines}")
    return tmp_path


def make(name="faq", kind=TEXT2TEXT, **values):
    defaults = {"data_files": ["x.csv"], "vocab_size": 0}
    if kind == TEXT2TEXT:
        defaults |= {"inputs": "question", "targets": "answer"}
    return table_problems.make(Table(kind, **{**defaults, **values}), name)


def inputs_of(name, split):
    """Returns the inputs of a split in the data folder, sorted."""
    problem = registry.problem(name)
    encoder = problem.feature_encoders("data")["inputs"]
    rows = each_row(problem.read_examples(problem.shards("data", split), "eval", HParams()))
    return sorted(encoder.decode(text_ids(row["inputs"])) for row in rows)


def counts(name="faq"):
    return {split: one.examples for split, one in manifest.read("data", name).splits.items()}


def test_the_data_folder_alone_has_the_problem(folder):
    generate_data(make(), "data")
    assert not list(folder.glob(".data*"))
    with pytest.raises(UnknownNameError):
        registry.problem("faq")
    table_problems.register_folder("data")
    found = registry.problem("faq_rev")
    assert found.full_name == "faq_rev"
    assert isinstance(found, text_problems.Text2TextProblem)
    assert sum(counts().values()) == 200
    assert counts()["eval"] == found.description.counts["eval"] > 0
    assert "faq " in registry.help_string()


def test_text2text_table_is_its_own_name_and_a_folder_describes_it(folder):
    generate_data(make(""), "data")
    assert registry.problem(TEXT2TEXT).description is None
    table_problems.register_folder("data")
    assert registry.problem(TEXT2TEXT).description.counts == counts(TEXT2TEXT)
    # Of two folders, the later one's.
    generate_data(make("", max_chars=10), "other")
    table_problems.register_folder("other")
    assert registry.problem(TEXT2TEXT).table.max_chars == 10


def test_without_files_a_table_says_what_it_needs(tmp_path):
    with pytest.raises(DataError, match="text2self_table needs data, such as --data_files="):
        generate_data(TEXT2SELF, str(tmp_path))


def test_other_arguments_are_an_error_that_says_what_differs(folder, caplog):
    generate_data(make(), "data")
    with caplog.at_level(logging.INFO, "t2tlite"):
        generate_data(make(), "data")
    assert "faq is complete in data" in caplog.text
    with pytest.raises(DataError, match=r"other arguments: vocab_size \(0 then, 300 now\); give"):
        generate_data(make(vocab_size=300), "data")
    before = counts()
    generate_data(make(dev_share=0.5), "data", overwrite=True)
    assert counts()["eval"] > before["eval"]
    table_problems.register_folder("data")
    assert registry.problem("faq").table.dev_share == 0.5


def test_changed_files_are_told(folder, caplog):
    generate_data(make(), "data")
    (folder / "x.csv").write_text("question,answer\na,b\n")
    with caplog.at_level(logging.WARNING, "t2tlite"):
        generate_data(make(), "data")
    assert "faq: changed since the data were generated: x.csv; --overwrite" in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a b", "problem_name=.*; expected letters"),
        ("x_rev", "not _rev or _copy at the end"),
        ("reverse_digits", "reverse_digits.* is a problem of this name; choose another"),
    ],
)
def test_names(name, message):
    with pytest.raises(DataError, match=message):
        make(name)


def test_splits_by_files_column_and_share(folder):
    generate_data(make(dev_files=["x.csv"], test_share=0.5), "data")
    assert counts()["eval"] == 200
    assert 50 < counts()["test"] < 150
    rows = [{"q": f"{i}", "a": "x", "s": ["train", "dev", "test"][i % 3]} for i in range(30)]
    (folder / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    generate_data(
        make("by", data_files=["x.jsonl"], inputs="q", targets="a", split_column="s"), "data"
    )
    assert counts("by") == {"train": 10, "eval": 10, "test": 10}
    table_problems.register_folder("data")
    assert inputs_of("by", "eval") == sorted(str(i) for i in range(1, 30, 3))


def test_labels_are_listed_in_the_data_folder(folder):
    rows = [f"text {i}\t{['10', '9', 'x'][i % 2]}\n" for i in range(40)]
    with gzip.open("x.tsv.gz", "wt") as file:
        file.writelines(rows)
    problem = make(
        "mood", TEXT2CLASS, data_files=["x.tsv.gz"], inputs="0", label="1", dev_share=0.5
    )
    generate_data(problem, "data")
    table_problems.register_folder("data")
    found = registry.problem("mood")
    assert (found.num_classes, found.class_labels("data")) == (2, ["9", "10"])
    assert counts("mood").keys() == {"train", "eval"}
    assert found.feature_encoders("data")["targets"].decode([1]) == "10"


def test_text_alone(folder):
    (folder / "book.txt").write_text("".join(f"line {i}\n" for i in range(50)))
    generate_data(make("book", TEXT2SELF, data_files=["book.txt"]), "data")
    table_problems.register_folder("data")
    assert not registry.problem("book").has_inputs
    assert sum(counts("book").values()) == 50


def test_what_is_left_out_is_told(folder, caplog):
    (folder / "x.csv").write_bytes(
        b"question,answer\n" + b"a,b\nc,d\na,b\n" * 20 + b"x,\n\xff,y\nz\n"
    )
    with caplog.at_level(logging.INFO, "t2tlite"):
        generate_data(make(drop_duplicates=True, dev_share=1e-9), "data")
    for line in (
        "faq: left out 58 of 63 rows: duplicate",
        "faq: left out 1 of 63 rows: empty; the first: x.csv, line 62",
        "faq: left out 1 of 63 rows: not UTF-8; the first: x.csv, line 63: byte 0xff is not UTF-8",
        "faq: left out 1 of 63 rows: unreadable; the first: x.csv, line 64: found 1 cells",
    ):
        assert line in caplog.text
    assert sum(counts().values()) == 2
    dropped = read_description("data", "faq").dropped
    assert {reason: one.count for reason, one in dropped.items()} == {
        "duplicate": 58,
        "empty": 1,
        "not UTF-8": 1,
        "unreadable": 1,
    }


@pytest.mark.parametrize("content", ["question,answer\n", "question,answer\nx,\n", ""])
def test_nothing_left_is_an_error_and_leaves_nothing(folder, content):
    (folder / "x.csv").write_text(content)
    with pytest.raises(DataError, match=r"faq: of \d rows none is for the split 'train'"):
        generate_data(make(), "data")
    assert not list((folder / "data").glob("faq*"))


def test_after_an_error_only_parts_that_were_read_are_kept(folder):
    (folder / "y.csv").write_text("question\n")
    with pytest.raises(DataError, match=r"y.csv has no column answer"):
        generate_data(make(data_files=["y.csv", "x.csv"]), "data")
    assert not list(folder.glob(".data*"))
    with pytest.raises(DataError, match=r"y.csv has no column answer"):
        generate_data(make(data_files=["x.csv", "y.csv"]), "data")
    assert len(list(folder.glob(".data*"))) == 1
    (folder / "y.csv").write_text("question,answer\na,b\n")
    generate_data(make(data_files=["x.csv", "y.csv"]), "data")
    assert sum(counts().values()) == 201
    assert not list(folder.glob(".data*"))


def test_a_killed_run_resumes_with_the_same_bytes(folder, monkeypatch):
    generate_data(make(), "whole")

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "publish", stop)
        patch.setattr("t2tlite.data.generate.publish", stop)
        with pytest.raises(KeyboardInterrupt):
            generate_data(make(), "data")
    assert not list((folder / "data").glob("faq-*"))
    monkeypatch.setattr(store.readers, "read", stop)
    generate_data(make(), "data")
    for path in (folder / "whole").iterdir():
        if path.suffix != ".npz":
            assert path.read_bytes() == (folder / "data" / path.name).read_bytes(), path.name
    assert not list(folder.glob(".data*"))


def test_a_damaged_description_matters_to_its_problem_only(folder):
    generate_data(make(), "data")
    (folder / "data/other.problem.json").write_text("{")
    table_problems.register_folder("data")
    assert registry.problem("faq").table.inputs == "question"
    with pytest.raises(DataError, match="other.problem.json is damaged"):
        registry.problem("other")


def test_a_vocabulary_of_other_arguments_is_not_taken(folder, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("t2tlite.data.generate.publish", stop)
        with pytest.raises(KeyboardInterrupt):
            generate_data(make(vocab_size=300), "data")
    with pytest.raises(DataError, match=r"other arguments: max_chars \(0 then, 99 now\)"):
        generate_data(make(vocab_size=300, max_chars=99), "data")
    generate_data(make(vocab_size=300), "data")
    assert sum(counts().values()) == 200
