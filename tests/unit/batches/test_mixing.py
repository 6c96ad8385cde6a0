"""Shares of a mixture: weights and T2T's schedules."""

import pytest

from t2tlite.batches.mixing import Mixing, parse_schedule
from t2tlite.errors import DataError


def test_weights_are_divided_by_their_sum():
    assert Mixing.constant(["a", "b"], [3, 1], "x").shares == ((0.75, 0.25),)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -0.5], "mine has a weight of -0.5; expected weights from 0 on, at least one above 0"),
        ([0, 0], "mine has weights with the sum 0"),
        ([1, float("nan")], "mine has a weight of nan"),
        ([1, float("inf")], "mine has a weight of inf"),
    ],
)
def test_impossible_weights_are_errors(weights, message):
    with pytest.raises(DataError, match=message):
        Mixing.constant(["a", "b"], weights, "mine")


def test_schedules_have_t2ts_forms():
    """Those of the examples in T2T's multi_problem_v2."""
    assert parse_schedule("step @0 0.7, 0.3") == ("step", [0], [[0.7, 0.3]])
    text = "linear @0 1.0 0.0 @100 0.9 0.1  @200 0.4 0.6  @300 0.0 1.0"
    parsed = Mixing.scheduled(["a", "b"], text, "x")
    assert (parsed.interpolation, parsed.steps) == ("linear", (0, 100, 200, 300))
    assert parsed.shares[1] == (0.9, 0.1)
    assert Mixing.scheduled(["a", "b"], ("step", (0,), ((0.7, 0.3),)), "x").shares == ((0.7, 0.3),)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("cubic @0 1 1", "the schedule begins with 'cubic'; expected one of step, linear"),
        ("step 1 1", "expected a text like"),
        ("step @0 1 one", "expected a text like"),
        (5, "expected a text like"),
        ("step @5 1 1 @5 1 1", "must be ascending"),
        ("step @0 1 1 1", r"has \[3\] shares at its points; expected 2 at each"),
        ("step @0 1 -1", "a weight of -1.0"),
        ("step", "must be ascending"),
    ],
)
def test_impossible_schedules_are_errors(schedule, message):
    with pytest.raises(DataError, match=f"^mine.*{message}"):
        Mixing.scheduled(["a", "b"], schedule, "mine")
