"""The panel, the live line, events and tables of training, without a terminal."""

import pytest

from t2tlite import console
from t2tlite.training import reports

ROWS = [{"step": 10, "loss": 2.5, "accuracy": 0.5}, {"step": 20, "loss": 2.0, "accuracy": 0.75}]
VALUES = {
    "loss": 1.5,
    "tokens_per_second": 12345.6,
    "steps_per_second": 2.0,
    "learning_rate": 0.001,
    "padded_share": 0.25,
}


def test_panel_and_line_in_a_log(said):
    console.panel("title", {"device": "CPU", "batch": "4096 tokens"})
    line = reports.LiveLine(0, 100)
    line.update(50, VALUES)  # too soon after the start
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
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

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


def test_the_table_of_evaluations(said):
    rows = [
        {"step": 1000, "loss": 2.5, "accuracy": 0.5},
        {"step": 2000, "loss": 2.0, "accuracy": 0.75, "bleu": 0.125},
        {"step": 3000, "loss": 2.25, "accuracy": 0.75},
    ]
    reports.evaluation_table(rows)
    assert said() == [
        "evaluations, the best by loss marked",
        " step    loss  accuracy    bleu",
        "1,000  2.5000    0.5000       -",
        "2,000  2.0000    0.7500  0.1250  best",
        "3,000  2.2500    0.7500       -",
    ]


@pytest.mark.parametrize(
    ("metric", "minimize", "best"),
    [
        ("loss", True, 2),
        ("loss", False, 1),
        ("metrics-my_problem/accuracy", False, 3),  # one of the equals has no loss
        ("accuracy", True, 1),
        ("bleu", False, None),
    ],
)
def test_the_best_evaluation(said, metric, minimize, best):
    losses, accuracies = [3.0, 1.0, 2.0, float("nan")], [0.1, 0.2, 0.3, 0.3]
    rows = [
        {"step": step, "loss": loss, "accuracy": accuracy}
        for step, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True), 1)
    ]
    reports.evaluation_table(rows, metric, minimize)
    marked = [int(line.split()[0]) for line in said() if line.endswith("best")]
    assert marked == ([] if best is None else [best])


def test_the_best_may_be_the_weights_rather_than_their_averages(said):
    rows = [{"step": 1, "loss": 2.0, "raw_loss": 1.0}, {"step": 2, "loss": 1.5, "raw_loss": 1.6}]
    reports.evaluation_table(rows)
    assert [line.split()[0] for line in said() if line.endswith("best")] == ["1"]


@pytest.mark.parametrize("count", [0, 1, 12, 13, 500])
@pytest.mark.parametrize("best", [1, 7, 440, 500])
def test_at_most_twelve_evaluations(said, count, best):
    reports.evaluation_table(
        [{"step": step, "loss": abs(step - best)} for step in range(1, count + 1)]
    )
    steps = [int(line.split()[0]) for line in said() if line[:5].strip().isdigit()]
    assert len(steps) <= 12
    if not count:
        assert said() == []
        return
    assert steps == sorted(set(steps))
    assert {1, min(best, count), count} <= set(steps)
    if count <= 12:
        assert len(steps) == count
    else:
        assert len(steps) >= 11
        left_out = count - len(steps)
        assert said()[-1] == f"{left_out} of {count} left out; all are in eval.jsonl"
        # At equal distances, as of eleven rows.
        gaps = [after - before for before, after in zip(steps, steps[1:], strict=False)]
        assert max(gaps) <= count / 10 + 1
