"""The rows that fit learns from, in all forms that users have."""

import io

import numpy as np
import pandas as pd
import pytest

from t2tlite.api.rows import ALONE, LABELLED, TEXTS, iterate, label_names, layout_of
from t2tlite.errors import DataError

FRAME = pd.DataFrame({"id": [7, 8], "question": ["q", "r"], "answer": ["a", "b"]}, index=[1, 0])


class Table:
    """Like a Dataset of Hugging Face."""

    column_names = ["text", "label"]
    features = {"label": type("ClassLabel", (), {"names": ["bad", "good"]})}

    def __iter__(self):
        yield {"text": "fine", "label": 1}


def read(rows, inputs=None, targets=None, label=None):
    """The kind and the texts of all rows."""
    listed = list(iterate(rows))
    layout = layout_of(listed[0], inputs, targets, label, "row 1")
    return layout.kind, [layout.read(row, f"row {i}") for i, row in enumerate(listed, 1)]


def generator():
    yield from [("q", "a"), ("r", "b")]


PAIRS = [{"inputs": "q", "targets": "a"}, {"inputs": "r", "targets": "b"}]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([("q", "a"), ("r", "b")], {}),
        ((["q", "a"], ["r", "b"]), {}),
        (zip("qr", "ab", strict=True), {}),
        (generator, {}),
        (generator(), {}),
        ({"q": "a", "r": "b"}.items(), {}),
        (np.array([["q", "a"], ["r", "b"]]), {}),
        (PAIRS, {}),
        ([{"x": "q", "y": "a"}, {"x": "r", "y": "b"}], {"inputs": "x", "targets": "y"}),
        (FRAME, {"inputs": "question", "targets": "answer"}),
        (FRAME.rename(columns={"question": "inputs", "answer": "targets"}), {}),
        ([("q", 1, "a"), ("r", 2, "b")], {"inputs": 0, "targets": 2}),
        (pd.Series([("q", "a"), ("r", "b")], index=[1, 0]), {}),
    ],
)
def test_pairs_of_texts(rows, columns):
    assert read(rows, **columns) == (TEXTS, PAIRS)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (["a", "b"], {}),
        (pd.Series(["a", "b"], index=[1, 0]), {}),
        (lambda: iter("ab"), {}),
        (io.StringIO("a\r\nb\n"), {}),
        ([{"targets": "a"}, {"targets": "b"}], {}),
        (FRAME, {"targets": "answer"}),
        ([(0, "a"), (1, "b")], {"targets": 1}),
    ],
)
def test_texts_alone(rows, columns):
    assert read(rows, **columns) == (ALONE, [{"targets": "a"}, {"targets": "b"}])


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([("q", 0), ("r", 1)], {}),
        ([("q", np.int64(0)), ("r", np.int64(1))], {}),
        ([("q", "0"), ("r", "1")], {"label": 1}),
        (zip("qr", pd.Series([0, 1]), strict=True), {}),
        ([{"inputs": "q", "label": 0}, {"inputs": "r", "label": "1"}], {}),
        (pd.DataFrame({"x": ["q", "r"], "y": [0, 1]}), {"inputs": "x", "label": "y"}),
    ],
)
def test_labelled_texts(rows, columns):
    expected = [{"inputs": "q", "label": "0"}, {"inputs": "r", "label": "1"}]
    assert read(rows, **columns) == (LABELLED, expected)


def test_truth_values_are_labels():
    frame = pd.DataFrame({"text": ["q", "r"], "spam": [True, False]})
    texts = [{"inputs": "q", "label": "True"}, {"inputs": "r", "label": "False"}]
    assert read(frame, inputs="text", label="spam") == (LABELLED, texts)
    assert read([("q", np.bool_(True)), ("r", False)]) == (LABELLED, texts)


def test_labels_of_a_hugging_face_dataset_have_names():
    kind, texts = read(Table(), inputs="text")
    assert kind == LABELLED
    assert label_names(Table(), "label")(texts[0]["label"]) == "good"
    assert label_names([("q", "x")], 1)("x") == "x"


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ("abc", {}, "found str 'abc'; expected"),
        (None, {}, "found None"),
        (5, {}, "found int 5"),
        ({"train": PAIRS}, {}, "found dict .*choose one of its splits"),
        ({"inputs": ["q"], "targets": ["a"]}, {}, "found dict .*with pandas.DataFrame"),
        (np.array("q"), {}, "found ndarray"),
        (float("nan"), {}, "found NaN, a missing value; expected"),
        (FRAME[["id", "answer", "answer"]], {"targets": "answer"}, "several columns 'answer'"),
        (FRAME, {"inputs": ["question"], "targets": "answer"}, r"inputs=\['question'\]; expected"),
        ([FRAME.iloc[0]], {}, "row 1 is Series"),
        ([("q", "a"), ("r", "b", "c")], {}, r"row 2 is tuple \('r', 'b', 'c'\); expected 2 items"),
        ([("q", "a"), ("r", "\ud800")], {}, "targets of row 2: character 0 of the text is"),
        (["q", "\ud800"], {}, "row 2: character 0 of the text is"),
        ([("q", " ")], {"label": 1}, "label of row 1 is str ' '; expected one line of text"),
        ([("q", "a\nb")], {"label": 1}, "label of row 1 is str 'a.*'; expected one line of text"),
        ([("q", 0), ("r", None)], {}, "label of row 2 is None; expected a label: a text or an int"),
        ({("q", "a")}, {}, "found a set, which has no order"),
        ([b"a"], {}, "row 1 is bytes"),
        ([5], {}, "row 1 is int 5"),
        ([("q",)], {}, "of 1 items"),
        ([("q", "a", "b")], {}, "of 3 items"),
        ([("q", 0.5)], {}, "the second item of row 1 is float 0.5; expected a text, or a label"),
        ([("q", "a"), ("r", None)], {}, "targets of row 2 is None"),
        ([("q", "a"), (float("nan"), "b")], {}, "inputs of row 2 is NaN, a missing value"),
        ([("q", "a"), "r"], {}, "row 2 is str 'r'; expected inputs and targets, as row 1"),
        ([("q", "a"), ("r",)], {}, "row 2 is tuple .*; expected 2 items, as row 1"),
        ([("q", "a"), PAIRS[0]], {}, "row 2 is dict .*, without 0; expected inputs and targets"),
        (["q"], {"inputs": "x"}, "a text without columns"),
        ([("q", "a")], {"inputs": 0}, "inputs=0 alone; give targets or label"),
        (FRAME, {}, "the columns id, question, answer and no 'targets'; name them"),
        (FRAME, {"inputs": "question", "targets": "reply"}, "and no 'reply'"),
        (FRAME, {"targets": "answer", "label": "id"}, "give one of them"),
        (FRAME, {"inputs": "id", "targets": "answer"}, "inputs of row 1 is int 7"),
    ],
)
def test_other_rows_are_an_error(rows, columns, message):
    with pytest.raises(DataError, match=message) as caught:
        read(rows, **columns)
    assert "\n" not in str(caught.value)
