"""Decisions of training: how many steps a call, and what a signal does."""

import json
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from t2tlite.devices import devices
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train import _steps_per_call, _stopping
from t2tlite.training.train_args import TrainArgs


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
    schedule = TrainArgs(train_steps=150, eval_frequency=50, steps_per_call=asked)
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
    TrainingSetup.write_batch(place, tmp_path / "batch", step=3)
    first, second = map(json.loads, (tmp_path / "batch").read_text().splitlines())
    assert (first["targets"], first["targets_ids"], first["inputs_ids"]) == ("glad", [0], [99, 1])
    assert (second["targets"], second["targets_ids"], second["inputs_ids"]) == ("sad", [1], [100])
