import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

from t2tlite.errors import DataError
from t2tlite.tables.cells import MISSING, bad_text, getter, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[("a\n", "a\n"), (None, ""), (MISSING, ""), (3, "3"), (2.5, "2.5"), (True, "True")],
        *[(float("nan"), ""), (np.float64("nan"), ""), (np.int64(7), "7"), (np.str_("x"), "x")],
        *[(pd.NA, ""), (pd.NaT, ""), (decimal.Decimal("1.50"), "1.50")],
        (datetime.date(2020, 1, 2), "2020-01-02"),
    ],
)
def test_cells_as_text(value, text):
    assert text_of(value, "x") == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"en": "a", "de": "b"}, "'x' is an object of en, de; name one of its values: x.en"),
        ({}, "'x' is an object of nothing"),
        (["a"], "'x' is a list; name one of its values: x.0"),
        (np.zeros(2), "'x' is a list"),
    ],
)
def test_cells_that_are_no_text(value, message):
    with pytest.raises(DataError, match=message):
        text_of(value, "x")


def test_columns_are_names_before_they_are_paths():
    row = {"a": {"b": [1, {"c": 2}]}, "a.b": 3}
    assert getter("a.b")(row) == 3
    assert getter("a.b.1.c")(row) == 2
    assert getter("a.c")(row) is getter("a.b.2")({}) is getter("1")(["x"]) is MISSING
    assert getter("1")(("x", "y")) == "y"


def test_texts_that_are_not_utf8():
    assert bad_text(["ä", None, 3, "\U0001f600"]) == ""
    assert bad_text(["ä", b"\xff".decode("utf-8", "surrogateescape")]) == "byte 0xff is not UTF-8"
    assert bad_text(["\ud800"]) == "'\\ud800' is half of a character"
