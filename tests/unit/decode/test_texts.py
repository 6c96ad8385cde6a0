"""What the Decoder takes as texts and as pairs, and the errors for everything else."""

import io

import numpy as np
import pandas as pd
import pytest

from t2tlite.decode.texts import pairs_of, text_of, texts_of
from t2tlite.errors import DataError

SERIES = pd.Series(["b", "a", "c"], index=[2, 0, 1])


class Table:
    """Like a Dataset of Hugging Face: iterating over it gives dicts."""

    column_names = ["question", "answer"]

    def __iter__(self):
        yield {"question": "q", "answer": "a"}


@pytest.mark.parametrize(
    "value",
    [
        ["b", "a", "c"],
        ("b", "a", "c"),
        (text for text in "bac"),
        SERIES,
        np.array(["b", "a", "c"]),
        SERIES.to_numpy(dtype=object),
        {"b": 1, "a": 2, "c": 3}.keys(),
        {1: "b", 2: "a", 3: "c"}.values(),
        io.StringIO("b\na\r\nc"),
    ],
)
def test_any_iterable_gives_its_texts_in_its_order(value):
    texts = texts_of(value)
    assert texts == ["b", "a", "c"]
    assert {type(text) for text in texts} == {str}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"found None; expected a text, or an iterable .* lines of a file$"),
        (3, "found int 3; expected a text"),
        (b"ab", r"found bytes b'ab'; expected .*: decode the bytes"),
        ({"a": "b"}, r"found a dict; expected .*values\(\)"),
        ({"a", "b"}, "found a set, which has no order"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "table with the columns a, b; .* one of its col"),
        (Table(), "table with the columns question, answer"),
        (["a", None], "line 2 is None; expected a text .*: leave it out"),
        (["a", float("nan")], "line 2 is NaN, a missing value; expected a text"),
        (["a", pd.NA], "line 2 is <NA>, a missing value; .*: leave it out"),
        (["a", pd.NaT], "line 2 is NaT, a missing value"),
        (["a", b"b"], "line 2 is bytes b'b'; expected a text .*: decode the bytes"),
        ([["a"]], r"line 1 is list \['a'\]"),
        (np.array([["a", "b"]]), "line 1 is ndarray"),
        (np.array("a"), "found ndarray"),
        (["a", 5], "line 2 is int 5"),
    ],
)
def test_an_error_says_what_was_found_and_expected(value, message):
    with pytest.raises(DataError, match=message) as caught:
        texts_of(value)
    assert "\n" not in str(caught.value)


def test_numbers_of_lines_follow_the_first():
    with pytest.raises(DataError, match="^line 12 is None"):
        texts_of(["a", None], first=10)


def test_numpys_texts_are_plain_ones():
    assert type(text_of(np.str_("a"), "the line")) is str


@pytest.mark.parametrize(
    "value",
    [
        [("a", "b"), ["c", "d"]],
        zip(["a", "c"], pd.Series(["b", "d"]), strict=True),
        np.array([["a", "b"], ["c", "d"]]),
        ({"inputs": i, "targets": t} for i, t in ["ab", "cd"]),
        {"a": "b", "c": "d"}.items(),
        pd.DataFrame({"x": ["a", "c"], "y": ["b", "d"]}).itertuples(index=False),
    ],
)
def test_any_iterable_of_pairs(value):
    assert pairs_of(value) == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("abcd", r"found the text 'abcd'; expected an iterable of \(input, target\) pairs"),
        (["ab", "cd"], "pair 1 is str 'ab'; expected an iterable of"),
        (("a", "b"), "pair 1 is str 'a'"),
        ([("a", "b"), ("c",)], "pair 2 has 1 items instead of 2"),
        ([("a", "b"), ("c", "d", "e")], "pair 2 has 3 items instead of 2"),
        ([("a", None)], "the target of pair 1 is None"),
        ([(b"a", "b")], "the input of pair 1 is bytes .*: decode the bytes"),
        ([{"inputs": "a", "target": "b"}], "pair 1 has no 'targets'"),
        ([None], "pair 1 is None"),
        ([{"a", "b"}], "pair 1 is set"),
        (pd.DataFrame({"x": ["a"], "y": ["b"]}), "table with the columns x, y; .*zip two of its"),
        ({"a": "b"}, r"found a dict; .*items\(\)"),
        (7, "found int 7; expected an iterable of"),
    ],
)
def test_what_is_no_list_of_pairs_is_an_error(value, message):
    with pytest.raises(DataError, match=message):
        pairs_of(value)


def test_a_language_models_targets_need_no_inputs():
    expected = [("", "ab"), ("x", "cd"), ("", "ef")]
    assert pairs_of(["ab", ("x", "cd"), {"targets": "ef"}], has_inputs=False) == expected


def test_labels_may_be_integers():
    rows = [("a", 1), ("b", np.int64(2)), {"inputs": "c", "targets": "x"}]
    assert pairs_of(rows, are_labels=True) == [("a", "1"), ("b", "2"), ("c", "x")]
    with pytest.raises(DataError, match="the target of pair 1 is int 1; expected a text"):
        pairs_of(rows)
    with pytest.raises(DataError, match="target of pair 1 is float 0.5; expected a label: a text"):
        pairs_of([("a", 0.5)], are_labels=True)


def test_half_a_surrogate_pair_is_named():
    with pytest.raises(DataError, match="line 2: character 1 of the text is"):
        texts_of(["a", "b\ud800"])
