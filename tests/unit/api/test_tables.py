"""table_problem: problems of files, or of rows in memory."""

import numpy as np
import pandas as pd
import pytest

import t2tlite
from t2tlite import generate_data, registry, table_problem
from t2tlite.api import problems
from t2tlite.errors import DataError
from t2tlite.tables.table import read_description

pytestmark = pytest.mark.usefixtures("no_tables")

FRAME = pd.DataFrame(
    {
        "q": [f"question {i}" for i in range(60)],
        "a": [f"answer {i}" if i % 6 else None for i in range(60)],
        "n": np.arange(60) % 3,
    }
)


def made(kind, data, folder, **values):
    problem = table_problem(kind, data, vocab_size=0, **values)
    return generate_data(problem, folder, num_workers=1)


def test_a_data_frame(tmp_path, caplog):
    counts = made(
        "text2text_table", FRAME, tmp_path / "d", problem_name="faq", inputs="q", targets="a"
    )
    assert sum(counts.values()) == 50
    assert read_description(tmp_path / "d", "faq").dropped["empty"].first == "rows, row 1"
    # By its name, and as the same call again.
    assert generate_data("faq", tmp_path / "d") == counts
    assert registry.problem("faq").num_generate_tasks == 1
    again = {"problem_name": "faq", "inputs": "q", "targets": "a"}
    assert made("text2text_table", FRAME, tmp_path / "d", **again) == counts
    assert [path.name for path in tmp_path.iterdir()] == ["d"]
    with pytest.raises(DataError, match="that were made with other arguments: the rows; give"):
        made("text2text_table", FRAME[2:], tmp_path / "d", **again)


def test_a_cell_of_a_notebook_may_run_again(tmp_path, monkeypatch):
    values = {"problem_name": "twice", "inputs": "q", "targets": "a"}
    counts = made("text2text_table", FRAME, tmp_path / "one", **values)
    # As after a training, which remembers the problem by its name.
    problems._remember(table_problem("text2text_table", FRAME, vocab_size=0, **values))
    assert not isinstance(registry.problems.get("twice"), type)
    monkeypatch.setattr(problems, "_remembered", set())
    assert made("text2text_table", FRAME, tmp_path / "two", **values) == counts


def test_labels_lists_generators_and_functions(tmp_path):
    assert (
        sum(made("text2class_table", FRAME, tmp_path / "a", inputs="q", label="n").values()) == 60
    )
    assert read_description(tmp_path / "a", "text2class_table").labels == ["0", "1", "2"]
    pairs = [(f"i {i}", f"t {i}") for i in range(30)]
    for name, rows in {"list": pairs, "generator": iter(pairs), "function": lambda: pairs}.items():
        assert sum(made("text2text_table", rows, tmp_path / name).values()) == 30
    texts = (f"text {i}" for i in range(30))
    assert sum(made("text2self_table", texts, tmp_path / "texts", dev_share=0.5).values()) == 30


def test_files_are_as_for_the_command(tmp_path):
    (tmp_path / "x.txt").write_text("\n".join(f"line {i}" for i in range(30)))
    counts = made(
        "text2self_table", tmp_path / "x.txt", tmp_path / "d", dev_files=[tmp_path / "x.txt"]
    )
    assert counts == {"train": 30, "eval": 30}
    assert read_description(tmp_path / "d", "text2self_table").table.data_files == [
        str(tmp_path / "x.txt")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("text2text",), "problem='text2text'; expected one of text2text_table, text2class_table"),
        (("text2text_table", FRAME, "x y"), "problem_name='x y'; expected letters"),
        (("text2text_table", {"a": 1}), "dict"),
    ],
)
def test_wrong_arguments(arguments, message, tmp_path):
    with pytest.raises(DataError, match=message):
        generate_data(table_problem(*arguments), tmp_path)
    with pytest.raises(DataError, match="inputs=1.5; expected a column's name or number"):
        table_problem("text2text_table", "x.csv", inputs=1.5)
    with pytest.raises(DataError, match="data_files are rows; dev_files, test_files and hub_data"):
        table_problem("text2text_table", FRAME, dev_files="x.csv")
    assert t2tlite.table_problem is table_problem
