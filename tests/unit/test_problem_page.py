"""What a problem says of the web page."""

import pytest

from t2tlite.problem import Problem
from t2tlite.problem_page import PageTexts, page_texts


def test_a_problem_says_nothing_unless_it_wants_to():
    assert page_texts(Problem()) == PageTexts()


def test_attributes_and_properties():
    class Own(Problem):
        page_form = "lines"
        page_examples = ["a", "b"]

        @property
        def page_title(self):
            return "Mine"

    assert page_texts(Own()) == PageTexts(form="lines", title="Mine", examples=["a", "b"])


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("page_form", "verse", ValueError, "'verse'; expected one of lines, answer, text, labels"),
        ("page_title", 3, TypeError, "page_title is int; expected str"),
    ],
)
def test_what_is_wrong_is_said(name, value, error, message):
    with pytest.raises(error, match=message):
        page_texts(type("Own", (Problem,), {name: value})())


def test_empty_texts_are_filled():
    others = PageTexts(form="text", title="Other", action="Go", examples=["x"])
    filled = PageTexts(title="Own").filled(others)
    assert filled == PageTexts(form="text", title="Own", action="Go", examples=["x"])
