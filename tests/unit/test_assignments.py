"""Parsing, converting and checking values; test_config.py has the types of HParams."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_type_hints

import pytest

from t2tlite.assignments import (
    Bounds,
    check_fields,
    convert,
    parse_assignments,
    parse_like,
    split_index,
    with_item,
)
from t2tlite.errors import HParamsError


def test_parse_assignments():
    pairs = [("a", "1"), ("b", "[1, 2]"), ("c", "x=y")]
    assert parse_assignments(" a = 1, b=[1, 2],,c=x=y,") == pairs
    assert parse_assignments("") == []


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ("a=1,b=2,a=3", "a is assigned twice, 1 and 3; keep one"),
        ("a[0]=1,a[0]=2", "a[0] is assigned twice, 1 and 2; keep one"),
        ("a=[1,2],a[ 0 ]=2", "a[ 0 ] is assigned twice, [1,2] and 2; keep one"),
        ("a[0]=2,a=[1]", "a is assigned twice, 2 and [1]; keep one"),
        ("a", "'a' is not name=value; write --hparams='a=1,b=2'"),
        (["a=1"], "hparams=['a=1']; expected 'a=1,b=2' or a dict"),
    ],
)
def test_assignments_that_cannot_be(assignments, message):
    with pytest.raises(HParamsError) as caught:
        parse_assignments(assignments)
    assert str(caught.value) == message


def test_an_item_of_a_list():
    assert parse_assignments("a[0]=1,a[1]=2,aa=3") == [("a[0]", "1"), ("a[1]", "2"), ("aa", "3")]
    assert split_index("a[12]") == split_index("a [ 12 ]") == ("a", 12)
    assert with_item("a", [1, 2], 1, "7") == [1, 7]
    for items, index, text, message in [
        ([1, 2], 2, "7", r"a\[2\] doesn't exist: a is \[1, 2\]"),
        (5, 0, "7", r"a\[0\] doesn't exist: a is 5"),
        ([1, 2], 0, "[7]", r"a\[0\]=\[7\] is a list; assign one item, or a"),
        ([1, 2], 0, "x", r"a\[0\]='x' is not an integer"),
    ]:
        with pytest.raises(HParamsError, match=message):
            with_item("a", items, index, text)


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
