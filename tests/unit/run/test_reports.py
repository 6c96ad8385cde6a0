"""What a person sees of training, where no terminal is."""

import json
import logging

import pytest

from t2tlite.errors import DataError
from t2tlite.run import reports

ROWS = [{"step": 10, "loss": 2.5, "accuracy": 0.5}, {"step": 20, "loss": 2.0, "accuracy": 0.75}]
VALUES = {
    "loss": 1.5,
    "tokens_per_second": 12345.6,
    "steps_per_second": 2.0,
    "learning_rate": 0.001,
    "padded_share": 0.25,
}


def test_evaluations_round_trip(tmp_path):
    assert reports.read_evaluations(tmp_path) == []
    reports.write_evaluations(tmp_path, ROWS)
    assert reports.read_evaluations(tmp_path) == ROWS
    lines = (tmp_path / "eval.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_a_line_that_a_kill_cut_off(tmp_path):
    reports.write_evaluations(tmp_path, ROWS)
    path = tmp_path / "eval.jsonl"
    path.write_text(path.read_text()[:-10])
    assert reports.read_evaluations(tmp_path) == ROWS[:1]
    path.write_text("{broken\n" + json.dumps(ROWS[0]) + "\n")
    with pytest.raises(DataError, match="eval.jsonl, line 1 isn't JSON"):
        reports.read_evaluations(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.6, "0:01:00"), (3661, "1:01:01"), (360000, "100:00:00")],
)
def test_duration(seconds, text):
    assert reports.duration(seconds) == text


@pytest.fixture
def said(caplog, monkeypatch):
    """The lines in the log, as without a terminal."""
    monkeypatch.setattr("t2tlite.progress.on_terminal", lambda: False)
    # A command that ran before in this process keeps t2tlite's lines from the root logger.
    monkeypatch.setattr(logging.getLogger("t2tlite"), "propagate", True)
    caplog.set_level("INFO", "t2tlite.run.reports")
    return lambda: [record.getMessage() for record in caplog.records]


def test_panel_and_line_in_a_log(said):
    reports.panel("title", {"device": "CPU", "batch": "4096 tokens"})
    line = reports.LiveLine(0, 100)
    line.update(50, VALUES)  # the last line is only just gone
    line.update(60, VALUES, force=True)
    line.say("something")
    line.close()
    assert said() == [
        "device       CPU",
        "batch        4096 tokens",
        "step 60/100  loss 1.500  12,346 tokens/s  lr 1.00e-03  25% padding  0:00:20 left",
        "something",
    ]


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {
        name: [event.step for event in events.Tensors(name)] for name in events.Tags()["tensors"]
    }


def test_events(tmp_path):
    events = reports.Events(tmp_path, "my_problem")
    events.train(100, {"loss": 1.0})
    events.train(200, {"loss": 0.5})
    events.evaluation(200, {"loss": 2.0, "accuracy": 0.5})
    assert scalars(tmp_path) == {"loss": [100, 200]}
    assert scalars(tmp_path / "eval") == {"loss": [200], "metrics-my_problem/accuracy": [200]}
