"""Decisions of training: when to stop early, and what a signal does."""

import json
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.run import devices
from t2tlite.run.training import (
    Schedule,
    Workplace,
    _check_direction,
    _check_warmup,
    _steps_per_call,
    _stopping,
    early_stop,
)


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
    schedule = Schedule(stop_after_steps=20, stop_delta=0.1)
    assert bool(early_stop(schedule, rows(*losses))) is stops
    # A metric that should rise, by the name that T2T gives it.
    schedule.stop_metric, schedule.stop_minimize = "metrics-my_problem/accuracy", False
    assert bool(early_stop(schedule, rows(*losses))) is stops
    schedule.stop_after_steps = 0
    assert early_stop(schedule, rows(*losses)) is None


def test_what_it_says():
    said = early_stop(Schedule(stop_after_steps=20), rows(3.0, 1.0, 2.0, 2.0))
    assert said == "loss hasn't improved by 0.1 for 20 steps (best 1.0000 at step 20)"


def test_a_metric_that_isnt_evaluated():
    # It tells the best checkpoint, too, so it matters without early stopping.
    schedule = Schedule(stop_metric="bleu")
    with pytest.raises(HParamsError, match="stopping_metric=bleu: it has loss, accuracy$"):
        early_stop(schedule, rows(1.0))


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
    _check_direction(Schedule(stop_metric=metric, stop_minimize=minimize))
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
    _check_warmup(hparams, steps)
    assert [line.split("; ")[1] for line in warned] == told * [
        "lower it, say --hparams=learning_rate_warmup_steps=40"
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_and_a_second_one_ends(number):
    ended = []
    before = signal.signal(number, lambda *_: ended.append(True))
    try:
        watcher = SimpleNamespace(stop_asked="")
        with _stopping(watcher):
            signal.raise_signal(number)
            assert watcher.stop_asked == number.name
            assert not ended
            signal.raise_signal(number)
            assert ended == [True]
        with _stopping(watcher):
            pass
        signal.raise_signal(number)
        assert len(ended) == 2
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    ("asked", "step", "expected"),
    [(1, 0, 1), (8, 0, 5), (30, 0, 25), (30, 10, 10), (30, 7, 1)],
)
def test_steps_a_call_end_where_something_happens(asked, step, expected):
    schedule = Schedule(train_steps=150, eval_frequency=50, steps_per_call=asked)
    device = devices.Devices("tensorflow", "CPU", 1)
    assert _steps_per_call(schedule, device, step) == expected
    assert _steps_per_call(schedule, devices.Devices("", "", 2, object()), step) == 1


def test_a_batch_that_was_kept_can_be_read(classifier, tmp_path):
    import tensorflow as tf

    batch = {"inputs": np.array([[99, 1], [100, 0]]), "targets": np.array([[0], [1]])}
    place = SimpleNamespace(
        problem=classifier.problem,
        problem_hparams=classifier.problem_hparams,
        data_dir=str(tmp_path),
        training_batches=lambda start: tf.data.Dataset.from_tensors(batch),
    )
    Workplace.write_batch(place, tmp_path / "batch", step=3)
    first, second = map(json.loads, (tmp_path / "batch").read_text().splitlines())
    assert (first["targets"], first["targets_ids"], first["inputs_ids"]) == ("glad", [0], [99, 1])
    assert (second["targets"], second["targets_ids"], second["inputs_ids"]) == ("sad", [1], [100])
