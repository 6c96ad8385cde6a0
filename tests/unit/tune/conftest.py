"""Searches over trials that take milliseconds."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="tuning needs t2tlite[tune]")

from t2tlite.config import HParams
from t2tlite.ranged_hparams import RangedHParams
from t2tlite.training.train_args import TrainArgs
from t2tlite.tune import results, space, tune
from t2tlite.tune.search import Search

FAKE_TRIAL = Path(__file__).with_name("fake_trial.py")


def ranges():
    ranged = RangedHParams()
    ranged.set_float("learning_rate_constant", 0.1, 10.0, scale=ranged.LOG_SCALE)
    ranged.set_discrete("hidden_size", [32, 64])
    return ranged


def search_of(folder, steps=5, **changes):
    """A search over fake trials."""
    settings = {
        "output_dir": folder,
        "dimensions": space.dimensions(ranges(), HParams()),
        "given": {"num_heads": 4},
        "objective": "accuracy",
        "maximize": True,
        "max_trials": 4,
        "parallel_trials": 1,
        "train_args": TrainArgs(train_steps=steps, seed=1),
        "description": {"--problem": "p", "ranges": {"hidden_size": (32, 64)}},
    }
    return Search(**{**settings, **changes})


def command(steps=5, behaviour=None):
    """The command line of fake trials; `behaviour` is described in fake_trial.py."""
    words = [sys.executable, "-I", "-S", str(FAKE_TRIAL)]
    return lambda folder: [*words, str(folder), str(steps), json.dumps(behaviour or {})]


@pytest.fixture
def search(request, tmp_path, monkeypatch):
    """A function that searches in the folder "search", with changes to the search.

    It draws plots only in tests with the mark `plots`, as they take longest.
    """
    monkeypatch.setattr(tune, "POLL_SECONDS", 0.01)
    if not request.node.get_closest_marker("plots"):
        monkeypatch.setattr(results, "PLOTS", {})

    def search(behaviour=None, folder=tmp_path / "search", steps=5, **changes):
        return tune.tune(search_of(folder, steps, **changes), command(steps, behaviour))

    return search
