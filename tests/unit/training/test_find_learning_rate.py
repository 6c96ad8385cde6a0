"""The learning rate range test: what it finds in losses, and that it leaves only a picture."""

import os
import signal

import keras
import pytest

from t2tlite.checkpoint import checkpoints
from t2tlite.config import HParams
from t2tlite.devices.devices import Devices
from t2tlite.errors import HParamsError
from t2tlite.training import find_learning_rate as module
from t2tlite.training.find_learning_rate import LearningRateTest, find_learning_rate
from t2tlite.training.sweep_callback import SweepCallback
from t2tlite.training.train import train
from t2tlite.training.train_args import TrainArgs

DEVICE = Devices(keras.backend.backend(), "CPU", 1)


def swept(losses):
    """The test of these losses, at rates that double."""
    found = LearningRateTest()
    for i, loss in enumerate(losses):
        if not found.add(1e-4 * 2**i, loss):
            break
    return found


def test_a_sweep_ends_when_the_loss_rises_or_is_not_finite():
    falling = [5.0 - 0.2 * i for i in range(15)]
    assert not swept(falling).diverged
    rising = swept([*falling, *[9.0 * 2**i for i in range(9)]])
    assert rising.diverged and 15 < len(rising.losses) < 20
    lost = swept([*falling, float("nan"), 1.0])
    assert lost.diverged and lost.losses == falling
    assert lost.smoothed[0] == 5.0
    assert lost.smoothed[1] == pytest.approx((0.9 * 5.0 + 4.8) / 1.9)


@pytest.mark.parametrize(
    ("values", "name", "scale"),
    [
        ({"learning_rate_schedule": "constant*linear_warmup"}, "learning_rate_constant", 1.0),
        # At the end of the warm-up: 8000^-0.5 * 512^-0.5.
        ({}, "learning_rate_constant", (8000 * 512) ** 0.5),
        (
            {"learning_rate_schedule": "constant*linear_decay_to_zero"},
            *("learning_rate_constant", 1),
        ),
        # 0.002 of Adam.
        (
            {"learning_rate_schedule": "legacy", "learning_rate_decay_scheme": "none"},
            *("learning_rate", 500.0),
        ),
        ({"learning_rate_schedule": "rsqrt_decay"}, "", None),
    ],
)
def test_the_suggestion_is_in_units_of_the_schedule(values, name, scale):
    found = swept([5.0 - 0.2 * i for i in range(15)])
    found.suggest(HParams(**values), 20_000)
    rate = 1e-4 * 2**14 / 10
    assert found.suggestion == pytest.approx(rate)
    assert found.hparam == name
    if scale is None:
        assert found.value is None and "can't be scaled" in str(found)
    else:
        assert found.value == pytest.approx(rate * scale, rel=0.06)
        assert f"--hparams={name}={found.value:g}" in str(found)


@pytest.mark.parametrize("losses", [[5.0] * 5, [5.0 + i for i in range(12)]])
def test_no_suggestion(losses):
    found = swept(losses)
    found.suggest(HParams(), 100)
    assert found.suggestion is None and "no suggestion" in str(found)


def test_a_loss_that_is_never_finite_is_said():
    assert str(swept([float("nan")])) == (
        "no suggestion: the loss wasn't finite in the first update"
    )


def test_a_sweep_leaves_a_picture_alone_and_training_begins_anew(
    make_run, data_dir, tmp_path, said
):
    run = make_run(optimizer_multistep_accumulate_steps=2, learning_rate_constant=0.001)
    before = dict(run.hparams)
    args = TrainArgs(train_steps=4, eval_frequency=4)
    values = run, data_dir, str(tmp_path)
    found = find_learning_rate(*values, DEVICE, args, updates=20, highest=0.1)
    assert len(found.rates) == 20
    assert found.rates[0] == pytest.approx(1e-5)
    assert found.rates[-1] == pytest.approx(0.1, rel=1e-4)
    assert found.smoothed[-1] < found.smoothed[0]
    assert str(found) in said()
    assert [path.name for path in tmp_path.iterdir()] == [module.NAME]
    assert found.path.read_bytes().startswith(b"\x89PNG")
    assert run.hparams == before
    train(*values, args, DEVICE)
    assert checkpoints.steps(tmp_path) == [4]
    trained = checkpoints.weights_path(tmp_path, 4).read_bytes()
    # A sweep beside a model changes nothing in it; a signal ends it, and it shows what it found.
    add = LearningRateTest.add

    def interrupt(self, rate, loss):
        if len(self.losses) == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return add(self, rate, loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LearningRateTest, "add", interrupt)
        found = find_learning_rate(*values, DEVICE, args, updates=20)
    assert len(found.losses) == 11 and found.path.exists()
    assert checkpoints.weights_path(tmp_path, 4).read_bytes() == trained
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_each_update_is_reported_by_itself():
    class Model:
        stop_training = False

    model = Model()
    callback = SweepCallback(model, lambda step: 0.1, lambda rate, loss: True, 1)
    callback.on_train_batch_end(0, {"totals": [[2.0, 2.0, 2.0, 4.0, 0.0, 0.0, 1.0]]})
    assert not model.stop_training
    callback.report = lambda rate, loss: rate != 0.1 or loss != 3.0
    callback.on_train_batch_end(1, {"totals": [[4.0, 4.0, 4.0, 10.0, 0.0, 0.0, 2.0]]})
    assert model.stop_training


@pytest.mark.parametrize(
    ("values", "workers", "message"),
    [
        ({"updates": 9}, 1, "updates=9, lowest=1e-05, highest=1.0; expected at least 10"),
        ({"lowest": 2.0}, 1, "0 < lowest < highest"),
        ({}, 2, "runs on one machine, TF_CONFIG names 2"),
    ],
)
def test_what_it_refuses(make_run, values, workers, message):
    with pytest.raises(HParamsError, match=message):
        find_learning_rate(make_run(), "d", "m", Devices("", "CPU", 1, None, workers), **values)
