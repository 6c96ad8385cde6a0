"""The objective, the best evaluation of a trial, and a trial's hparams."""

import math

import pytest

from t2tlite.errors import HParamsError
from t2tlite.ranged_hparams import Range
from t2tlite.training.train_args import TrainArgs
from t2tlite.tune import search, space
from tests.unit.tune.conftest import search_of

METRICS = ["accuracy", "accuracy_per_sequence"]


@pytest.mark.parametrize(
    ("name", "maximize", "metric"),
    [
        ("metrics-p/accuracy_per_sequence", True, "accuracy_per_sequence"),
        ("metrics-p/targets/accuracy_per_sequence", True, "accuracy_per_sequence"),
        ("accuracy", True, "accuracy"),
        ("loss", False, "loss"),
    ],
)
def test_objectives_and_their_direction(name, maximize, metric):
    assert search.objective(name, "p", METRICS) == (metric, maximize)
    assert search.objective(name, "p", METRICS, maximize) == (metric, maximize)


@pytest.mark.parametrize(
    ("name", "maximize", "message"),
    [
        (
            "metrics-p/acuracy",
            True,
            "--autotune_objective='metrics-p/acuracy' is not one of: loss, metrics-p/accuracy, "
            "metrics-p/accuracy_per_sequence",
        ),
        ("metrics-q/accuracy", True, "'metrics-q/accuracy' is not one of: loss, metrics-p/acc"),
        ("loss", True, "loss is better when lower; leave --autotune_maximize out"),
        ("accuracy", False, "accuracy is better when higher; leave --noautotune_maximize out"),
    ],
)
def test_wrong_objectives(name, maximize, message):
    with pytest.raises(HParamsError) as caught:
        search.objective(name, "p", METRICS, maximize)
    assert message in str(caught.value)


def test_metrics_of_decoding():
    assert search.objective("bleu", "p", [*METRICS, "bleu"]) == ("bleu", True)
    rates = [*METRICS, "token_error_rate"]
    assert search.objective("metrics-p/token_error_rate", "p", rates) == (rates[-1], False)
    with pytest.raises(HParamsError, match="per_sequence; that one needs --eval_decode=N$"):
        search.objective("bleu", "p", METRICS)


def test_the_best_evaluation_counts_and_the_earliest_of_equal_ones(tmp_path):
    values = {10: 0.5, 20: 0.9, 30: math.nan, 40: 0.9, 50: math.inf}
    assert search_of(tmp_path).best(values) == (0.9, 20)
    assert search_of(tmp_path, maximize=False).best(values) == (0.5, 10)
    assert search_of(tmp_path).best({1: math.nan}) is None


def test_a_trial_is_finished_by_its_steps_or_by_early_stopping(tmp_path):
    plain = search_of(tmp_path, train_args=TrainArgs(train_steps=30))
    rows = [{"step": 10, "loss": 1.0}, {"step": 20, "loss": 1.0}]
    assert not plain.is_finished([])
    assert not plain.is_finished(rows)
    assert plain.is_finished([*rows, {"step": 30, "loss": 1.0}])
    early = search_of(tmp_path, train_args=TrainArgs(train_steps=30, stop_after_steps=10))
    assert early.is_finished(rows)


def test_hparams_of_a_trial_join_the_elements_of_lists(tmp_path):
    kernel = Range("int", [1, 5], length=2)
    dimensions = [
        space.Dimension("num_heads", Range("int", [2, 8])),
        *(space.Dimension("kernel", kernel, index) for index in range(2)),
    ]
    values = {"num_heads": 2, "kernel[0]": 3, "kernel[1]": 5}
    drawn = search_of(tmp_path, dimensions=dimensions, given={"num_layers": 6}).hparams(values)
    assert drawn == {"num_layers": 6, "num_heads": 2, "kernel": [3, 5]}
