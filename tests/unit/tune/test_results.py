"""What a search leaves: a table, the best hparams and plots."""

import json
import logging

import pytest

from t2tlite.config import HParams
from t2tlite.tune import results


@pytest.mark.plots
def test_the_best_of_the_trials_becomes_a_file_of_hparams(search, tmp_path):
    trials, done = search(max_trials=12)
    assert done
    assert [trial.number for trial in trials] == list(range(12))
    assert {results.STATES[trial.state] for trial in trials} <= {"finished", "pruned"}
    # Later trials learn from earlier ones and come nearer to the optimum.
    rates = [trial.params["learning_rate_constant"] for trial in trials]
    winner = max(trials, key=lambda trial: trial.value)
    folder = tmp_path / "search"
    assert json.loads((folder / results.BEST).read_text()) == {"num_heads": 4, **winner.params}
    assert HParams().assign_json(folder / results.BEST) == {"num_heads": 4, **winner.params}
    assert 0.5 < winner.params["learning_rate_constant"] < 2
    assert len(set(rates)) == 12
    assert all((folder / name).stat().st_size > 5_000 for name in results.PLOTS)
    header, *rows = (folder / results.TABLE).read_text().splitlines()
    assert header.split("\t") == [
        *("trial", "state", "accuracy", "step", "learning_rate_constant", "hidden_size", "why")
    ]
    assert [float(row.split("\t")[2]) for row in rows] == [trial.value for trial in trials]


def test_minimizing_finds_the_lowest(search, tmp_path):
    trials, _ = search(maximize=False, max_trials=3)
    assert len(trials) == 3
    lowest = min(trials, key=lambda trial: trial.value)
    # The accuracy rises, so the first step has the lowest.
    assert lowest.value == lowest.intermediate_values[1]
    assert lowest.value < max(trial.value for trial in trials)
    best = json.loads((tmp_path / "search" / results.BEST).read_text())
    assert best == {"num_heads": 4, **lowest.params}


def test_messages_and_table_show_the_best_trial_first(search, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("t2tlite"), "propagate", True)
    with caplog.at_level(logging.INFO, "t2tlite"):
        trials, _ = search({"0": "crash", "2": "diverge"}, max_trials=3)
    value = trials[1].value
    ends = [message for message in caplog.messages if message.startswith("trial ")]
    assert "trial 0 failed: t2t-trainer: no data: generate it" in ends
    end = f"finished: accuracy {value:.4f} at step 5; the best so far is {value:.4f} of trial 1"
    assert f"trial 1 {end}" in ends
    assert "trial 2 pruned: the loss was not finite" in ends
    start = caplog.messages.index("trials, the best first") + 2
    rows = [message.split()[:3] for message in caplog.messages[start : start + 3]]
    assert rows == [["1", "finished", f"{value:.4g}"], ["2", "pruned", "-"], ["0", "failed", "-"]]
    lines = (tmp_path / "search" / results.TABLE).read_text().splitlines()
    cells = [line.split("\t") for line in lines[1:]]
    assert [row[:4] for row in cells] == [
        ["0", "failed", "", ""],
        ["1", "finished", repr(value), "5"],
        ["2", "pruned", "", ""],
    ]
    assert cells[0][-1] == "t2t-trainer: no data: generate it"
