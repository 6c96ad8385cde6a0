"""Parsing, converting and checking values; test_config.py has the types of HParams."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_type_hints

import pytest

from t2tlite.assignments import Bounds, check_fields, convert, parse_assignments, parse_like
from t2tlite.errors import HParamsError


def test_parse_assignments():
    pairs = [("a", "1"), ("b", "[1, 2]"), ("c", "x=y")]
    assert parse_assignments(" a = 1, b=[1, 2],,c=x=y,") == pairs
    assert parse_assignments("") == []


def test_large_integers_are_exact():
    assert convert("n", 2**60 + 1, int) == 2**60 + 1


@pytest.mark.parametrize(
    ("text", "example", "value"),
    [("2", 1, 2), ("[1,2]", [0.5], [1.0, 2.0]), ("[a]", [], ["a"]), ("x", None, "x")],
)
def test_parse_like(text, example, value):
    assert parse_like("name", text, example) == value


@dataclass
class Point:
    x: Annotated[int, Bounds(0, 2)] = 0
    axis: Literal["left", "right"] = "left"


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (Point(x=3), "x=3 is outside 0 to 2"),
        (Point(axis="rigth"), "axis=rigth is not one of: left, right; did you mean right?"),
    ],
)
def test_check_fields(point, message):
    hints = get_type_hints(Point, include_extras=True)
    check_fields(Point(x=2, axis="right"), hints)
    with pytest.raises(HParamsError) as caught:
        check_fields(point, hints)
    assert str(caught.value) == message
