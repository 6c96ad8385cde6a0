"""eval.jsonl: read, written, and which evaluation is the best."""

import json

import pytest

from t2tlite.checkpoint import eval_log
from t2tlite.errors import DataError

ROWS = [{"step": 10, "loss": 2.5, "accuracy": 0.5}, {"step": 20, "loss": 2.0, "accuracy": 0.75}]


def test_round_trip(tmp_path):
    assert eval_log.read_evaluations(tmp_path) == []
    eval_log.write_evaluations(tmp_path, ROWS)
    assert eval_log.read_evaluations(tmp_path) == ROWS
    lines = (tmp_path / "eval.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_a_line_that_a_kill_cut_off(tmp_path):
    eval_log.write_evaluations(tmp_path, ROWS)
    path = tmp_path / "eval.jsonl"
    path.write_text(path.read_text()[:-10])
    assert eval_log.read_evaluations(tmp_path) == ROWS[:1]
    path.write_text("{broken\n" + json.dumps(ROWS[0]) + "\n")
    with pytest.raises(DataError, match="eval.jsonl, line 1 isn't JSON"):
        eval_log.read_evaluations(tmp_path)


NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "minimize", "best"),
    [
        ([3.0, 1.0, 2.0], True, 1),
        ([3.0, 1.0, 2.0], False, 0),
        ([2.0, 1.0, 1.0], True, 1),
        ([NAN, 5.0, float("inf")], False, 1),
        ([NAN, NAN], True, None),
        ([], True, None),
    ],
)
def test_best_first(values, minimize, best):
    rows = [{"loss": value} for value in values]
    order = eval_log.best_first([{}, *rows], "metrics-problem/loss", minimize)
    assert order[:1] == ([] if best is None else [best + 1])


def test_best_steps(tmp_path):
    rows = [*ROWS, {"step": 30, "loss": NAN, "accuracy": 0.6}, {"step": 40, "loss": 0.1}]
    eval_log.write_evaluations(tmp_path, rows)
    steps = [10, 20, 30]
    assert eval_log.best_steps(tmp_path, steps, "loss") == [20, 10]
    assert eval_log.best_steps(tmp_path, steps, "metrics-problem/accuracy") == [20, 30, 10]
    with pytest.raises(DataError, match="=bleu is not in .*; known metrics: accuracy, loss"):
        eval_log.best_steps(tmp_path, steps, "bleu")
    with pytest.raises(DataError, match="no checkpoint was evaluated"):
        eval_log.best_steps(tmp_path, [50], "loss")
    with pytest.raises(DataError, match="no checkpoint has a finite value"):
        eval_log.best_steps(tmp_path, [30], "loss")
