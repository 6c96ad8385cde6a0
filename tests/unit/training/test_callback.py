"""What happens between steps, and the best checkpoint, which no later one and no kill removes."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from t2tlite.checkpoint import checkpoints, eval_log
from t2tlite.checkpoint.description import DECODING, HOOKS, Need
from t2tlite.devices.devices import Devices
from t2tlite.training.callback import RawLogs, TrainingCallback
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train_args import TrainArgs

LOSSES = [5.0, 3.0, 4.0, 2.0, 6.0, 2.0, 2.5]
# The best step after each evaluation.
BEST = [1, 2, 2, 4, 4, 4, 4]


@pytest.fixture
def make_callback(make_setup, monkeypatch):
    """A function that makes the callback of a run whose evaluations give LOSSES."""
    setup = make_setup()
    objective, optimizer = setup.make_objective()
    objective.compile(optimizer=optimizer, jit_compile=False)
    callback = None

    def evaluate():
        loss = LOSSES[callback.step - 1]
        return {"loss": loss, "gain": -loss}

    monkeypatch.setattr(setup, "evaluate", evaluate)

    def make(folder, step=0, **train_args):
        nonlocal callback
        defaults = {"train_steps": 7, "eval_frequency": 1, "keep_checkpoints": 1}
        setup.train_args = TrainArgs(**{**defaults, **train_args})
        callback = TrainingCallback(setup, objective, str(folder), step)
        return callback

    return make


def fit(callback):
    """Trains to the last step."""
    callback.objective.fit(
        callback.setup.feed(callback.step).dataset(),
        steps_per_epoch=callback.train_args.train_steps - callback.step,
        callbacks=RawLogs([callback], add_history=True, model=callback.objective),
        verbose=0,
        shuffle=False,
    )
    callback.close()


def save_and_evaluate(callback, step):
    callback.step = step
    callback._save()
    callback._saver.wait()
    callback._evaluate()


def evaluated(folder):
    return [row["step"] for row in eval_log.read_evaluations(folder)]


def best(folder):
    path = checkpoints.find(folder, "best")
    step = int(path.stem.removeprefix("model.ckpt-"))
    assert path.exists()
    assert checkpoints.optimizer_path(folder, step).exists()
    return step


def test_a_step_reports_then_saves_then_evaluates(tmp_path, make_callback, monkeypatch):
    calls = []

    def record(name):
        method = getattr(TrainingCallback, name)

        def recording(callback, *args, **kwargs):
            calls.append((name, callback.step))
            return method(callback, *args, **kwargs)

        monkeypatch.setattr(TrainingCallback, name, recording)

    for name in ("_report", "_save", "_evaluate"):
        record(name)
    monkeypatch.setattr(TrainingCallback, "_mark_best", lambda callback: None)
    monkeypatch.setattr("t2tlite.training.agreement.REPORT_SECONDS", 1000.0)
    fit(make_callback(tmp_path, train_steps=5, eval_frequency=2))
    assert calls == [
        (name, step) for step in (2, 4, 5) for name in ("_report", "_save", "_evaluate")
    ]


@pytest.mark.parametrize("evaluate", [True, False])
def test_a_run_asked_to_stop_saves_and_the_next_one_evaluates(tmp_path, make_callback, evaluate):
    callback = make_callback(tmp_path, evaluate=evaluate)
    callback.agreement.ask_to_stop("SIGTERM")
    fit(callback)
    assert (checkpoints.steps(tmp_path), evaluated(tmp_path)) == ([1], [])
    callback = make_callback(tmp_path, 1, evaluate=evaluate)
    assert callback.catch_up()
    callback.close()
    assert evaluated(tmp_path) == [1] * evaluate


def test_a_later_loss_that_a_kill_lost_is_evaluated_again(tmp_path, make_callback):
    rows = [{"step": step, "loss": 1.0, "gain": -1.0} for step in (1, 2, 3)]
    eval_log.write_evaluations(tmp_path, rows)
    fit(make_callback(tmp_path, 2, train_steps=4))
    losses = [(row["step"], row["loss"]) for row in eval_log.read_evaluations(tmp_path)]
    assert losses == [(1, 1.0), (2, 1.0), (3, 4.0), (4, 2.0)]


@pytest.mark.parametrize("metric", [("loss", True), ("metrics-echo/gain", False)])
def test_the_best_stays(tmp_path, make_callback, metric):
    callback = make_callback(tmp_path, stop_metric=metric[0], stop_minimize=metric[1])
    for step, expected in enumerate(BEST, 1):
        save_and_evaluate(callback, step)
        assert best(tmp_path) == expected
        assert checkpoints.steps(tmp_path) == sorted({expected, step})
    callback.close()


def test_the_best_may_be_weights_or_their_averages(tmp_path, make_run, data_dir, monkeypatch):
    args = TrainArgs(train_steps=2, eval_frequency=1, keep_checkpoints=1)
    setup = TrainingSetup(make_run(ema_decay=0.5), data_dir, args, Devices("tensorflow", "CPU", 1))
    objective, optimizer = setup.make_objective()
    objective.compile(optimizer=optimizer, jit_compile=False)
    # Of each step, that of the averages and that of the weights.
    losses = iter([5.0, 3.0, 2.0, 4.0])
    decoded = []

    def evaluate(decodes=True):
        decoded.append(decodes)
        return {"loss": next(losses), "other": 0.0}

    monkeypatch.setattr(setup, "evaluate", evaluate)
    callback = TrainingCallback(setup, objective, str(tmp_path), 0)
    save_and_evaluate(callback, 1)
    assert checkpoints.find(tmp_path, "best").name == "model.ckpt-1-raw.safetensors"
    save_and_evaluate(callback, 2)
    assert checkpoints.find(tmp_path, "best").name == "model.ckpt-2.safetensors"
    callback.close()
    rows = eval_log.read_evaluations(tmp_path)
    assert [(row["loss"], row["raw_loss"]) for row in rows] == [(5.0, 3.0), (2.0, 4.0)]
    assert "raw_other" not in rows[0]
    # The weights themselves are decoded only where a metric of decoding decides.
    args.stop_metric = "exact_match"
    losses = iter([5.0, 3.0])
    callback._evaluate()
    assert decoded == [True, False, True, False, True, True]


def test_a_kill_at_any_moment_loses_no_best(tmp_path, make_callback, monkeypatch):
    folder, copies = tmp_path / "run", []

    def copying(change):
        def copy_and_change(path, *args, **kwargs):
            # What is on disk if the process is killed now.
            if Path(path).parent == folder:
                copies.append(shutil.copytree(folder, tmp_path / f"killed-{len(copies)}"))
            return change(path, *args, **kwargs)

        return copy_and_change

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", copying(os.replace))
        patched.setattr(Path, "unlink", copying(Path.unlink))
        callback = make_callback(folder)
        for step in range(1, len(LOSSES) + 1):
            save_and_evaluate(callback, step)
        callback.close()
    assert len(copies) > 5 * len(LOSSES)
    for copy in copies:
        saved = checkpoints.steps(copy)
        callback = make_callback(copy, saved[-1] if saved else 0)
        callback.catch_up()
        if saved:
            assert best(copy) == BEST[saved[-1] - 1]
        callback.close()


def test_the_best_is_saved_before_it_is_time(tmp_path, make_callback):
    fit(make_callback(tmp_path, save_seconds=1000))
    # The last step is always saved.
    assert checkpoints.steps(tmp_path) == [4, 7]
    assert best(tmp_path) == 4


def test_another_metric_chooses_among_the_checkpoints_that_exist(tmp_path, make_callback):
    fit(make_callback(tmp_path, keep_checkpoints=2))
    assert checkpoints.steps(tmp_path) == [4, 6, 7]
    callback = make_callback(tmp_path, 7, stop_metric="gain", stop_minimize=True)
    callback.catch_up()
    callback.close()
    assert best(tmp_path) == 7


def test_what_needs_the_plugin_is_said_once_after_the_first_save(tmp_path, make_callback, said):
    callback = make_callback(tmp_path)
    run = callback.setup.run
    run.needs_plugin = [
        Need(HOOKS, "the decode hooks", "/mine.py"),
        Need(DECODING, "this", "there"),
    ]
    try:
        callback = make_callback(tmp_path)
        with contextlib.closing(callback):
            assert not any("plugin" in line for line in said())
            save_and_evaluate(callback, 1)
            save_and_evaluate(callback, 2)
    finally:
        run.needs_plugin = []
    assert [line for line in said() if "will need the plugin" in line] == [
        "decoding will need the plugin, because only its code has this (there)",
        "decoding a file will need the plugin, because only its code has the decode hooks "
        "(/mine.py)",
    ]
