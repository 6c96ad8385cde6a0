"""The objective, and which evaluation of a trial counts."""

import math

import pytest

from t2tlite.errors import HParamsError
from t2tlite.training.train_args import TrainArgs
from t2tlite.tune import search
from tests.unit.tune.conftest import described

METRICS = ["accuracy", "accuracy_per_sequence"]


@pytest.mark.parametrize(
    ("name", "maximize", "found"),
    [
        ("metrics-p/accuracy_per_sequence", True, "accuracy_per_sequence"),
        ("accuracy", True, "accuracy"),
        ("loss", False, "loss"),
    ],
)
def test_objectives(name, maximize, found):
    assert search.objective(name, "p", METRICS, maximize) == found


@pytest.mark.parametrize(
    ("name", "maximize", "message"),
    [
        (
            "metrics-p/acuracy",
            True,
            "--autotune_objective='metrics-p/acuracy' is not one of: loss, metrics-p/accuracy, "
            "metrics-p/accuracy_per_sequence; did you mean accuracy?",
        ),
        ("metrics-q/accuracy", True, "'metrics-q/accuracy' is not one of: loss, metrics-p/acc"),
        ("loss", True, "loss is better when lower; add --noautotune_maximize"),
    ],
)
def test_wrong_objectives(name, maximize, message):
    with pytest.raises(HParamsError) as caught:
        search.objective(name, "p", METRICS, maximize)
    assert message in str(caught.value)


def test_the_best_evaluation_counts_and_the_earliest_of_equal_ones(tmp_path):
    values = {10: 0.5, 20: 0.9, 30: math.nan, 40: 0.9, 50: math.inf}
    assert described(tmp_path).best(values) == (0.9, 20)
    assert described(tmp_path, maximize=False).best(values) == (0.5, 10)
    assert described(tmp_path).best({1: math.nan}) is None


def test_a_trial_is_finished_by_its_steps_or_by_early_stopping(tmp_path):
    plain = described(tmp_path, schedule=TrainArgs(train_steps=30))
    rows = [{"step": 10, "loss": 1.0}, {"step": 20, "loss": 1.0}]
    assert not plain.is_finished([])
    assert not plain.is_finished(rows)
    assert plain.is_finished([*rows, {"step": 30, "loss": 1.0}])
    early = described(tmp_path, schedule=TrainArgs(train_steps=30, stop_after_steps=10))
    assert early.is_finished(rows)
