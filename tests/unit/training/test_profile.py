"""Profiles of a model so small that its training takes seconds, on the backend of the tests."""

import logging
import re

import keras
import numpy as np
import pytest

from t2tlite.training import profile, traces
from t2tlite.training.traces import Operation


@pytest.fixture
def said(caplog, monkeypatch):
    """The lines in the log, as without a terminal."""
    monkeypatch.setattr("t2tlite.console.on_terminal", lambda: False)
    # A command that ran before in this process keeps t2tlite's lines from the root logger.
    monkeypatch.setattr(logging.getLogger("t2tlite"), "propagate", True)
    caplog.set_level("INFO", "t2tlite")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def train(tmp_path, monkeypatch):
    """A function that trains for some steps with a profiler, which records steps 3 to 5."""
    monkeypatch.setattr(profile, "SKIP_STEPS", 2)
    monkeypatch.setattr(profile, "STEPS", 3)

    def run(steps):
        profiler = profile.Profiler(tmp_path)
        model = keras.Sequential([keras.layers.Dense(64), keras.layers.Dropout(0.5)])
        model.compile("adam", "mse", jit_compile=keras.backend.backend() == "jax")
        call = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: profiler.on_step(batch + 1)
        )
        x = np.ones((16 * steps, 64), np.float32)
        try:
            model.fit(x, x, batch_size=16, callbacks=[call], verbose=0)
        finally:
            profiler.close()
        return list(tmp_path.glob("plugins/profile/*/*.xplane.pb"))

    return run


def test_a_run_longer_than_the_recording(train, said):
    (path,) = train(7)
    kinds = {operation.kind for operation in traces.read(path)}
    assert {"matrix products", "dropout and random numbers", "optimizer"} <= kinds
    lines = said()
    assert re.fullmatch(
        r"where a step's time goes: [\d.]+ ms a step \(steps 3 to 5 of this run\)", lines[0]
    )
    shares = {line.split(maxsplit=2)[2]: line.split()[1] for line in lines[2 : 2 + len(kinds)]}
    assert set(shares) == kinds
    assert sum(float(share.rstrip("%")) for share in shares.values()) == pytest.approx(100, abs=1)
    assert "the longest operations, each that of all layers together" in lines
    assert str(path) in lines[-1]


def test_a_run_that_ends_while_recording(train, said):
    assert len(train(4)) == 1
    assert "(steps 3 to 4 of this run)" in said()[0]


def test_a_run_that_ends_before_a_step_is_recorded(train, said):
    for steps in (1, 2):
        train(steps)
        assert said()[-1] == (
            f"no profile: training ended after {steps} steps of this run, and the first 2 aren't "
            f"recorded; train for longer"
        )
    # The profiler of a process is free again.
    train(4)
    assert "(steps 3 to 4 of this run)" in " ".join(said())


def test_only_steps_count(said, tmp_path):
    profiler = profile.Profiler(tmp_path)
    profiler.close()
    profiler.close()
    profiler.on_step(profile.SKIP_STEPS)
    assert len(said()) == 1


def test_the_tables(said):
    times = {
        Operation("matrix products", "encoder/MatMul"): 6.0,
        Operation("matrix products", "decoder/MatMul"): 3.0,
        Operation("optimizer", "adam/Sub"): 1.0,
        **{Operation("other", f"small {i}"): 0.0 for i in range(20)},
    }
    profile.show(times, "4.0 ms a step", "a note")
    lines = said()
    assert lines[:5] == [
        "where a step's time goes: 4.0 ms a step",
        "ms a step  share  kind of operation",
        "     9.00  90.0%  matrix products",
        "     1.00  10.0%  optimizer",
        "     0.00   0.0%  other",
    ]
    assert "add up to 10.0 ms a step" in lines[5]
    assert lines[8:10] == [
        "     6.00  60.0%  encoder/MatMul [matrix products]",
        "     3.00  30.0%  decoder/MatMul [matrix products]",
    ]
    assert len(lines) == 8 + profile.TOP + 1
    assert lines[-1] == "a note"
