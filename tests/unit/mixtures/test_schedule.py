"""Shares from weights, temperature, schedules, and T2T's hparams."""

import pytest

from t2tlite.config import HParams
from t2tlite.errors import DataError, HParamsError
from t2tlite.mixtures import Mixture
from t2tlite.mixtures.schedule import mixing_of

SIZES = {"a": 8000, "b": 1000, "c": 1000}


def shares(hparams="", **members):
    """Returns the shares of a mixture of three problems."""
    made = Mixture()
    vars(made).update({"problems": list(SIZES), **members})
    return mixing_of(made, SIZES, HParams().override(hparams))


def test_equal_weighted_and_by_temperature():
    assert shares().shares == (pytest.approx((1 / 3, 1 / 3, 1 / 3)),)
    weighted = shares(problems={"a": 2, "b": 1, "c": 1})
    assert weighted.shares == (pytest.approx((0.5, 0.25, 0.25)),)
    assert shares(temperature=1).shares == (pytest.approx((0.8, 0.1, 0.1)),)
    # 20, 10 and 10, the cube roots.
    assert shares(temperature=3.0).shares == (pytest.approx((0.5, 0.25, 0.25)),)
    assert shares(schedule="step @0 1 0 0 @9 0 1 1").shares[1] == (0.0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"temperature": 0}, "temperature is 0; expected a number above 0"),
        ({"temperature": "5"}, "temperature is '5'; expected a number above 0"),
        ({"temperature": 2, "schedule": "step @0 1 1 1"}, "both schedule and temperature"),
        ({"temperature": 2, "problems": dict.fromkeys(SIZES, 1)}, "both temperature and weights"),
        ({"problems": {"a": -1, "b": 2, "c": 3}}, "a weight of -1"),
        ({"problems": dict.fromkeys(SIZES, 0)}, "weights with the sum 0"),
    ],
)
def test_impossible_ones_are_errors(members, message):
    with pytest.raises(DataError, match=message):
        shares(**members)


def test_t2ts_hparams_mean_what_they_meant():
    # The first problem is the primary one; the others share the threshold.
    constant = shares("multiproblem_schedule_threshold=0.2")
    assert constant.shares == (pytest.approx((0.8, 0.1, 0.1)),)
    pretrain = shares(
        "multiproblem_mixing_schedule=pretrain,multiproblem_schedule_max_examples=500"
    )
    assert (pretrain.steps, pretrain.interpolation) == ((0, 500), "step")
    assert pretrain.counts_examples
    assert pretrain.shares == ((1, 0, 0), (0, 0.5, 0.5))
    growing = shares(
        "multiproblem_mixing_schedule=exponential,multiproblem_schedule_max_examples=6400"
    )
    at = dict(zip(growing.steps, growing.shares, strict=True))
    # threshold * 1e-4 ** (1 - examples / max_examples)
    assert at[0] == pytest.approx((1 - 0.5e-4, 0.25e-4, 0.25e-4))
    assert at[3200] == pytest.approx((1 - 0.5e-2, 0.25e-2, 0.25e-2))
    assert at[6400] == pytest.approx((0.5, 0.25, 0.25))
    rates = shares({"multiproblem_per_task_threshold": "320,80,0"})
    assert rates.shares == (pytest.approx((0.8, 0.2, 0)),)
    finetune = "multiproblem_mixing_schedule=pretrain,multiproblem_schedule_max_examples=0"
    assert shares(finetune).shares == ((0.0, 0.5, 0.5),)


def test_what_the_class_says_comes_before_hparams():
    given = shares("multiproblem_schedule_threshold=0.2", problems={"a": 1, "b": 1, "c": 2})
    assert given.shares == (pytest.approx((0.25, 0.25, 0.5)),)


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        ({"multiproblem_per_task_threshold": "1,2"}, "expected 3 numbers, one for each problem"),
        ({"multiproblem_schedule_threshold": 2}, "expected a number from 0 to 1"),
        ({"multiproblem_mixing_schedule": "x"}, "expected constant, exponential or pretrain"),
    ],
)
def test_impossible_hparams_are_errors(hparams, message):
    with pytest.raises(HParamsError, match=message):
        shares(hparams)


def test_they_give_no_warning(warned):
    HParams().override("multiproblem_schedule_threshold=0.2")
    assert warned == []
