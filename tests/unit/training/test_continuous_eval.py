"""Checkpoints evaluated as they appear, with a clock that stands still but for sleeping."""

import json
from types import SimpleNamespace

import pytest

from t2tlite.checkpoint import checkpoints, waiting
from t2tlite.checkpoint.tensor_files import write_tensors
from t2tlite.devices.devices import Devices
from t2tlite.errors import CheckpointError
from t2tlite.training.continuous_eval import continuous_eval
from t2tlite.training.train_args import TrainArgs
from tests.unit.training.test_reports import scalars

DEVICE = Devices("tensorflow", "CPU", 1)


class Training:
    """A training whose checkpoints come at given seconds."""

    def __init__(self, folder, tensors):
        self.folder, self.tensors, self.now, self.coming = folder, tensors, 0.0, {}

    def save(self, *steps, keep=9):
        saved = [*checkpoints.steps(self.folder), *steps]
        for step in steps:
            write_tensors(checkpoints.weights_path(self.folder, step), self.tensors, {})
        (self.folder / checkpoints.LIST).write_text(json.dumps({"steps": saved[-keep:]}))
        for step in saved[:-keep]:
            checkpoints.weights_path(self.folder, step).unlink()

    def sleep(self, seconds):
        self.now += seconds
        for second in [one for one in self.coming if one <= self.now]:
            self.save(*self.coming.pop(second))


@pytest.fixture
def training(make_setup, tmp_path, monkeypatch):
    training = Training(tmp_path, checkpoints.weights(make_setup().network))
    clock = SimpleNamespace(monotonic=lambda: training.now, sleep=training.sleep)
    monkeypatch.setattr(waiting, "time", clock)
    return training


@pytest.fixture
def evaluate(make_run, data_dir, tmp_path):
    run = make_run()
    run.write(tmp_path, data_dir)

    def evaluate(minutes=0, **train_args):
        args = TrainArgs(**train_args)
        return continuous_eval(run, data_dir, str(tmp_path), args, DEVICE, minutes)

    return evaluate


def test_the_newest_and_later_ones_until_none_comes(training, evaluate, tmp_path):
    training.save(10, 20)
    training.coming = {30: [30], 100: [40], 1000: [50]}
    found = list(evaluate(minutes=3))
    assert [step for step, _ in found] == [20, 30, 40]
    assert found[0][1]["loss"] > 0
    assert scalars(tmp_path / "eval")["loss"] == [20, 30, 40]
    # The events of training are another process's.
    assert not list(tmp_path.glob("events*"))


def test_training_that_has_ended(training, evaluate):
    training.save(20)
    assert [step for step, _ in evaluate(minutes=3, train_steps=20)] == [20]
    assert training.now == 0


def test_a_training_that_begins_later(training, evaluate, tmp_path):
    training.coming = {60: [0], 90: [10]}
    found = list(evaluate(minutes=2, eval_split="train"))
    assert [step for step, _ in found] == [10]
    assert scalars(tmp_path / "eval_train")["loss"] == [10]


def test_no_checkpoint(evaluate, training):
    with pytest.raises(CheckpointError, match="no checkpoint of 1 steps or more after 1 minutes"):
        list(evaluate(minutes=1))


def test_a_checkpoint_that_is_deleted_meanwhile(training, evaluate, warned, monkeypatch):
    training.save(10)
    steps = checkpoints.steps
    # Listed, but gone before it is read.
    monkeypatch.setattr(checkpoints, "steps", lambda folder: [*steps(folder), 40])
    assert list(evaluate()) == []
    assert "model.ckpt-40.safetensors is gone" in warned[0]
    training.save(50)
    monkeypatch.setattr(checkpoints, "steps", lambda folder: [*steps(folder), 45])
    assert [step for step, _ in evaluate()] == [50]


def test_a_damaged_checkpoint(training, evaluate):
    training.save(10)
    checkpoints.weights_path(training.folder, 10).write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"model\.ckpt-10\.safetensors"):
        list(evaluate())
