"""The arguments of table problems, and their description in a data folder."""

import pytest

from t2tlite.errors import DataError
from t2tlite.tables.table import (
    TEXT2CLASS,
    TEXT2SELF,
    TEXT2TEXT,
    Description,
    Dropped,
    Table,
    described_in,
    read_description,
)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (
            TEXT2TEXT,
            {"label": "x"},
            "label='x': text2text_table has the columns inputs and targets",
        ),
        (TEXT2CLASS, {"targets": "x"}, "targets='x': text2class_table has .* inputs and label;"),
        (TEXT2SELF, {"inputs": "x"}, "inputs='x': text2self_table has the columns targets;"),
        (TEXT2TEXT, {"data_format": "xls"}, "data_format='xls'; expected one of csv, tsv, jsonl"),
        (TEXT2TEXT, {"csv_delimiter": ";;"}, "csv_delimiter=';;'; expected one character"),
        (TEXT2TEXT, {"hub_dataset": "a/b", "data_files": ["x"]}, "and files; give one of them"),
        (TEXT2TEXT, {"dev_share": 1.0}, "dev_share=1.0; expected a share of the inputs"),
        (TEXT2TEXT, {"dev_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
        (TEXT2TEXT, {"dev_share": 0.1, "dev_files": ["x"]}, "other data for this split"),
        (TEXT2TEXT, {"test_share": 0.1, "split_column": "x"}, "other data for this split"),
        (TEXT2TEXT, {"max_ratio": 0.5}, "max_ratio=0.5; expected .* a ratio of at least 1"),
        (TEXT2TEXT, {"vocab_size": -1}, r"vocab_size=-1; expected 0 \(bytes\) to"),
    ],
)
def test_impossible_arguments(kind, values, message):
    with pytest.raises(DataError, match=message):
        Table(kind, **values).check()


def test_shares():
    assert Table(TEXT2TEXT).shares(has_dev=False) == (0.05, 0)
    assert Table(TEXT2TEXT).shares(has_dev=True) == (0, 0)
    assert Table(TEXT2TEXT, dev_share=0.2, test_share=0.1).shares(has_dev=False) == (0.2, 0.1)
    assert Table(TEXT2TEXT, split_column="s").shares(has_dev=False) == (0, 0)
    assert Table(TEXT2TEXT, dev_share=0.0).shares(has_dev=True) == (0, 0)
    with pytest.raises(DataError, match="dev_share=0 and no dev_files; .* training evaluates"):
        Table(TEXT2TEXT, dev_share=0.0).shares(has_dev=False)


def test_differences():
    then = Table(TEXT2TEXT, data_files=["a", "b"], vocab_size=10)
    assert then.differences(then) == []
    now = Table(TEXT2TEXT, data_files=["a"], inputs="x", vocab_size=20)
    assert now.differences(then) == [
        *("data_files (a,b then, a now)", "inputs (none then, x now)"),
        "vocab_size (10 then, 20 now)",
    ]


def test_a_description_is_read_as_it_was_written(tmp_path):
    made = Table(TEXT2CLASS, data_files=["ä.csv"], label="l", test_share=0.1, drop_duplicates=True)
    written = Description(
        *("faq", made, {"train": 2, "eval": 1}, 3, {"empty": Dropped(2, "ä.csv, line 7")}),
        labels=["no", "yes"],
        sources={"ä.csv": [3, 4]},
    )
    written.write(tmp_path)
    assert described_in(tmp_path) == ["faq"]
    assert read_description(tmp_path, "faq") == written
    assert read_description(tmp_path, "other") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "faq.problem.json is damaged"),
        ("[]", "faq.problem.json is damaged"),
        ('{"format": 2}', "has format 2, and this t2tlite reads formats up to 1; upgrade"),
        ('{"format": 1, "name": "faq", "counts": {}}', "has no key 'table'"),
        (
            '{"format": 1, "name": "../x", "counts": {}, "table": {"problem": "text2text_table"}}',
            "it describes '../x'; restore it",
        ),
        (
            '{"format": 1, "name": "faq", "counts": {}, "table": {"problem": "x"}}',
            "is damaged",
        ),
    ],
)
def test_a_damaged_description(tmp_path, content, message):
    (tmp_path / "faq.problem.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read_description(tmp_path, "faq")
