"""The best checkpoint: kept whatever comes after it, and after a kill at any moment."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from t2tlite.checkpoint import checkpoints
from t2tlite.training.callback import Watcher
from t2tlite.training.train_args import TrainArgs

LOSSES = [5.0, 3.0, 4.0, 2.0, 6.0, 2.0, 2.5]
# The step of the best after so many.
BEST = [1, 2, 2, 4, 4, 4, 4]


@pytest.fixture
def watch(make_model):
    """A function that makes the watcher of a run, whose evaluations give LOSSES."""
    model, optimizer = make_model()

    def watch(folder, step=0, **values):
        given = {"train_steps": 99, "eval_frequency": 1, "keep_checkpoints": 1, **values}
        place = SimpleNamespace(
            schedule=TrainArgs(**given),
            device=SimpleNamespace(is_chief=True, evaluates=True, workers=1),
            run=SimpleNamespace(problem="digits"),
            network=model,
            evaluate=lambda: {"loss": LOSSES[watcher.step - 1], "gain": -LOSSES[watcher.step - 1]},
        )
        watcher = Watcher(place, optimizer, str(folder), step)
        return watcher

    return watch


def go(watcher, step, saves=True):
    """Does what follows a training step."""
    watcher.step = step
    if saves:
        watcher._save()
        watcher._saver.wait()
    watcher._evaluate()


def best(folder):
    step = checkpoints.best(folder)
    assert checkpoints.weights_path(folder, step).exists()
    assert checkpoints.optimizer_path(folder, step).exists()
    return step


@pytest.mark.parametrize("metric", [("loss", True), ("metrics-digits/gain", False)])
def test_the_best_stays(tmp_path, watch, metric):
    watcher = watch(tmp_path, stop_metric=metric[0], stop_minimize=metric[1])
    for step, expected in enumerate(BEST, 1):
        go(watcher, step)
        assert best(tmp_path) == expected
        assert checkpoints.steps(tmp_path) == sorted({expected, step})
    watcher.close()


def test_a_kill_at_any_moment_loses_no_best(tmp_path, watch, monkeypatch):
    folder, copies = tmp_path / "run", []

    def watched(change):
        def changing(path, *rest, **named):
            # What is on disk if the process is killed now.
            if Path(path).parent == folder:
                copies.append(shutil.copytree(folder, tmp_path / f"killed-{len(copies)}"))
            return change(path, *rest, **named)

        return changing

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", watched(os.replace))
        patched.setattr(Path, "unlink", watched(Path.unlink))
        watcher = watch(folder)
        for step in range(1, len(LOSSES) + 1):
            go(watcher, step)
        watcher.close()
    assert len(copies) > 5 * len(LOSSES)
    for copy in copies:
        saved = checkpoints.steps(copy)
        again = watch(copy, saved[-1] if saved else 0)
        again.catch_up()
        if saved:
            assert best(copy) == BEST[saved[-1] - 1]
        again.close()


def test_the_best_is_saved_though_it_was_not_time(tmp_path, watch):
    watcher = watch(tmp_path, save_seconds=1000)
    for step, expected in enumerate(BEST, 1):
        go(watcher, step, saves=False)
        assert best(tmp_path) == expected
    assert checkpoints.steps(tmp_path) == [4]
    watcher.close()


def test_another_metric_chooses_among_what_is_there(tmp_path, watch):
    watcher = watch(tmp_path, keep_checkpoints=2)
    for step in range(1, 8):
        go(watcher, step)
    watcher.close()
    assert checkpoints.steps(tmp_path) == [4, 6, 7]
    watcher = watch(tmp_path, 7, stop_metric="gain", stop_minimize=True)
    watcher.catch_up()
    watcher.close()
    assert best(tmp_path) == 7
