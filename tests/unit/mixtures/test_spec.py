"""Mixtures on the command line: "a<2de>:0.7+b:0.3"."""

import pytest

from t2tlite import registry
from t2tlite.config import HParams
from t2tlite.errors import DataError
from t2tlite.mixtures.schedule import mixing_of
from t2tlite.mixtures.spec import of_spec

SIZES = {"reversing": 8000, "shouting": 1000}


def shares(spec):
    return mixing_of(of_spec(spec), SIZES, HParams()).shares


def test_members_weights_and_tags():
    made = of_spec("reversing<2r>:0.7+shouting:0.3")
    assert (made.name, made.full_name) == ("reversing+shouting",) * 2
    assert made.tags == {"reversing": "<2r>"}
    assert shares("reversing:0.7+shouting:0.3") == (pytest.approx((0.7, 0.3)),)
    assert shares("reversing:3+shouting") == (pytest.approx((0.75, 0.25)),)
    # The weight may come before the tag.
    assert of_spec("reversing:2<2r>+shouting").tags == {"reversing": "<2r>"}


def test_options_after_a_space():
    assert shares("reversing+shouting temperature=3") == (pytest.approx((2 / 3, 1 / 3)),)
    changing = shares("reversing+shouting linear @0 1.0, 0.0 @100 0.5 0.5")
    assert changing == ((1.0, 0.0), (0.5, 0.5))
    made = of_spec("reversing+shouting vocab_size=500 vocab_filename=vocab.x.subwords")
    assert (made.approx_vocab_size, made.vocab_filename) == (500, "vocab.x.subwords")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("reversing+", "has a member without a name; expected NAME"),
        ("reversing+reversing", "names reversing twice"),
        ("reversing:x+shouting", "reversing has the weight 'x'; expected a number, such as 0.7"),
        ("reversing:0+shouting:0", "weights with the sum 0"),
        ("reversing:-1+shouting", "a weight of -1.0"),
        ("reversing<2r+shouting", "expected a tag such as <2de> after the name"),
        ("reversing<>+shouting", "expected a tag such as <2de> after the name"),
        ("reversing+shouting size=3", "found 'size=3'; expected temperature=5"),
        ("reversing+shouting temperature=hot", "found 'temperature=hot'"),
        ("reversing:1+shouting temperature=2", "has weights beside a temperature or schedule"),
        ("reversing+shouting step @0 1 1 1", "expected 2 at each"),
        ("reversing+moods", "moods is a problem of classes"),
    ],
)
def test_other_texts_are_errors(spec, message):
    with pytest.raises(DataError, match=message):
        of_spec(spec)


def test_a_registered_name_may_have_a_plus(own_names):
    from tests.unit.mixtures.conftest import Reversing

    registry.problems.add("reversing+twice", Reversing)
    assert not registry.is_mixture("reversing+twice_rev")
    assert registry.problem("reversing+twice").name == "reversing+twice"
    assert registry.is_mixture("reversing+shouting")
