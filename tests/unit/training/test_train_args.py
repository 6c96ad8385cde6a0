"""When to stop early, and what is told of a schedule that can't be meant."""

import pytest

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.training.train_args import TrainArgs


def rows(*losses):
    return [{"step": 10 * i, "loss": one, "accuracy": -one} for i, one in enumerate(losses, 1)]


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([], False),
        ([3.0], False),
        ([3.0, 2.0, 1.0], False),
        ([3.0, 3.0], False),  # 10 steps are not yet 20
        ([3.0, 3.0, 3.0], True),
        ([3.0, 2.95, 2.92], True),  # less than the delta
        ([3.0, 2.95, 2.85], False),  # in all more than the delta
        ([3.0, 1.0, 2.0, 2.0], True),
        ([3.0, 1.0, 2.0, 0.5], False),
        ([float("nan")] * 3, True),
    ],
)
def test_early_stop(losses, stops):
    schedule = TrainArgs(stop_after_steps=20, stop_delta=0.1)
    assert bool(schedule.early_stop(rows(*losses))) is stops
    # A metric that should rise, by the name that T2T gives it.
    schedule.stop_metric, schedule.stop_minimize = "metrics-my_problem/accuracy", False
    assert bool(schedule.early_stop(rows(*losses))) is stops
    schedule.stop_after_steps = 0
    assert schedule.early_stop(rows(*losses)) is None


def test_what_it_says():
    said = TrainArgs(stop_after_steps=20).early_stop(rows(3.0, 1.0, 2.0, 2.0))
    assert said == "loss hasn't improved by 0.1 for 20 steps (best 1.0000 at step 20)"


def test_a_metric_that_isnt_evaluated():
    # It tells the best checkpoint, too, so it matters without early stopping.
    schedule = TrainArgs(stop_metric="bleu")
    with pytest.raises(HParamsError, match="stopping_metric=bleu: it has loss, accuracy$"):
        schedule.early_stop(rows(1.0))


@pytest.mark.parametrize(
    ("metric", "minimize", "told"),
    [
        ("loss", True, ""),
        ("metrics-p/accuracy", False, ""),
        ("metrics-p/accuracy", True, "accuracy is better when higher; add --noeval_early"),
        ("byte_perplexity", False, "byte_perplexity is better when lower; add --eval_early"),
        ("a_plugins_own", True, ""),
    ],
)
def test_a_metric_that_improves_the_wrong_way_is_told(warned, metric, minimize, told):
    TrainArgs(stop_metric=metric, stop_minimize=minimize).check_direction()
    assert len(warned) == bool(told)
    assert all(line.startswith(told) for line in warned)


@pytest.mark.parametrize(
    ("steps", "schedule", "told"),
    [
        (399, "constant*linear_warmup*rsqrt_decay", True),
        (399, "legacy", True),
        (400, "constant*linear_warmup*rsqrt_decay", False),
        (399, "constant", False),
    ],
)
def test_a_warm_up_longer_than_training_is_told(warned, steps, schedule, told):
    hparams = HParams(learning_rate_schedule=schedule, learning_rate_warmup_steps=400)
    TrainArgs(steps).check_warmup(hparams)
    assert [line.split("; ")[1] for line in warned] == told * [
        "lower it, say --hparams=learning_rate_warmup_steps=40"
    ]
