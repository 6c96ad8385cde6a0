"""eval.jsonl: read, written, and which evaluation is the best."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t2tlite.checkpoint import eval_log
from t2tlite.errors import DataError

ROWS = [{"step": 10, "loss": 2.5, "accuracy": 0.5}, {"step": 20, "loss": 2.0, "accuracy": 0.75}]


NAN = float("nan")


def test_round_trip(tmp_path):
    assert eval_log.read_evaluations(tmp_path) == []
    eval_log.write_evaluations(tmp_path, ROWS)
    assert eval_log.read_evaluations(tmp_path) == ROWS
    lines = (tmp_path / "eval.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == ROWS


@pytest.mark.parametrize(
    ("metric", "minimize", "best"),
    [("loss", True, (20, True)), ("accuracy", False, (20, False)), ("gain", True, None)],
)
def test_the_best_weights_may_be_raw(metric, minimize, best):
    rows = [{"step": 10, "loss": 2.5, "raw_loss": 2.1}, {**ROWS[1], "raw_loss": 1.9}]
    assert eval_log.best_weights(rows, metric, minimize) == best
    assert eval_log.best_weights([], metric, minimize) is None


def test_the_best_weights_of_a_member_of_a_mixture_may_be_raw():
    rows = [{"step": 10, "loss": 2.0, "de:loss": 1.5, "raw_loss": 3.0, "de:raw_loss": 1.4}]
    assert eval_log.best_weights(rows, "de:loss", True) == (10, True)


def test_of_equal_values_the_lower_loss_is_the_better():
    losses = [0.9, 0.3, NAN, 0.1]
    rows = [{"step": n, "loss": losses[n], "exact_match": 100.0} for n in range(4)]
    order = eval_log.best_first([*rows, {"exact_match": 100.0}], "exact_match", False)
    assert order == [3, 1, 0, 2, 4]
    raw = [{**row, "raw_exact_match": 100.0, "raw_loss": 0.2 * row["step"]} for row in rows]
    assert eval_log.best_weights(raw, "exact_match", False) == (0, True)


def test_a_line_that_a_kill_cut_off(tmp_path):
    eval_log.write_evaluations(tmp_path, ROWS)
    path = tmp_path / "eval.jsonl"
    path.write_text(path.read_text()[:-10])
    assert eval_log.read_evaluations(tmp_path) == ROWS[:1]
    path.write_text("{broken\n" + json.dumps(ROWS[0]) + "\n")
    with pytest.raises(DataError, match="eval.jsonl, line 1 isn't an evaluation"):
        eval_log.read_evaluations(tmp_path)


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


def test_values_that_json_lacks(tmp_path):
    rows = [{"step": 1, "loss": NAN, "accuracy": 0.5}, {"step": 2, "loss": math.inf}]
    eval_log.write_evaluations(tmp_path, rows)
    path = tmp_path / "eval.jsonl"
    assert path.read_text().splitlines() == [
        '{"step": 1, "loss": null, "accuracy": 0.5}',
        '{"step": 2, "loss": null}',
    ]
    first, second = eval_log.read_evaluations(tmp_path)
    assert math.isnan(first.pop("loss")) and first == {"step": 1, "accuracy": 0.5}
    assert math.isnan(second["loss"])
    # Older files have them bare.
    path.write_text('{"step": 1, "loss": NaN}\n{"step": 2, "loss": -Infinity}\n')
    first, second = eval_log.read_evaluations(tmp_path)
    assert math.isnan(first["loss"]) and second["loss"] == -math.inf


@pytest.mark.parametrize(
    "content",
    [
        *(b"\x00\xff\x81random", b"[1]", b"3", b'"step"', b'{"step": "1"}', b'{"loss": 1.0}'),
        *(b'{"step": 1, "loss": "low"}', b'{"step": 1.5}', b'{"step": true}', b'{"step": -1}'),
        *(b'{"step": 1' + b"0" * 30 + b"}", b"[" * 100_000, b'{"step": 1, "loss": [1]}'),
    ],
)
def test_damaged_files(tmp_path, content):
    path = tmp_path / "eval.jsonl"
    path.write_bytes(content + b"\n")
    with pytest.raises(DataError, match=r"eval\.jsonl.*delete the") as caught:
        eval_log.read_evaluations(tmp_path)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode()))
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("run") / "eval.jsonl"
    path.write_bytes(b'{"step": 1, "loss": 2.0}\n' + content)
    try:
        rows = eval_log.read_evaluations(path.parent)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert rows[0] == {"step": 1, "loss": 2.0}
        eval_log.write_evaluations(path.parent, rows)


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
