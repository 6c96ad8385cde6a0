"""curves.png and the losses that it shows."""

import matplotlib.figure
import pytest

from t2tlite.checkpoint import eval_log, run_record
from t2tlite.errors import CheckpointError
from t2tlite.training import curves, reports

ROWS = [
    {"step": 100, "loss": 0.9, "accuracy": 0.5, "neg_log_perplexity": -0.9},
    {"step": 200, "loss": 0.8, "accuracy": 0.75, "neg_log_perplexity": -0.8},
]


@pytest.fixture
def run_folder(tmp_path):
    """The folder of a run that has written nothing but its record."""
    run_record.RunRecord("my_problem", "my_model", {"label_smoothing": 0.1}).write(
        tmp_path, tmp_path
    )
    return tmp_path


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures = []
    save = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure,
        "savefig",
        lambda figure, *args, **named: (figures.append(figure), save(figure, *args, **named)),
    )
    return figures


def write_events(folder, *losses):
    events = reports.Events(folder, "my_problem")
    for step, loss in losses:
        events.train(step, {"loss": loss, "learning_rate": 0.5})


def lines(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_the_loss_of_weights_without_average_is_a_loss(run_folder, drawn):
    eval_log.write_evaluations(run_folder, [{"step": 1, "loss": 0.9, "raw_loss": 0.8}])
    curves.draw(run_folder)
    [left] = drawn[0].axes
    assert lines(left) == {
        "evaluation": [[1, 0.9]],
        "evaluation, weights not averaged": [[1, 0.8]],
    }


def test_losses_and_metrics(run_folder, drawn):
    write_events(run_folder, (100, 1.0), (200, 0.5))
    eval_log.write_evaluations(run_folder, ROWS)
    path = curves.draw(run_folder)
    assert path == run_folder / "curves.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert not list(run_folder.glob(".*"))
    left, right = drawn[0].axes
    assert drawn[0].get_suptitle() == "my_problem with my_model"
    assert lines(left) == {
        "training, label smoothing 0.1": [[100, 1.0], [200, 0.5]],
        "evaluation": [[100, pytest.approx(0.9)], [200, pytest.approx(0.8)]],
    }
    # Neither the loss, although it is below 1, nor a negative metric.
    assert lines(right) == {"accuracy": [[100, 0.5], [200, 0.75]]}
    assert (left.get_xlabel(), left.get_ylabel()) == ("step", "loss (nats a token)")
    assert right.get_ylabel() == "evaluation metric (0 to 1)"
    assert right.get_ylim() == (0, 1)


def test_without_evaluations_or_without_events(run_folder, drawn):
    write_events(run_folder, (100, 1.0))
    assert curves.draw(run_folder)
    for events in run_folder.glob("events*"):
        events.unlink()
    eval_log.write_evaluations(run_folder, [{"step": 5, "loss": 2.0}])
    assert curves.draw(run_folder)
    assert [[list(lines(axes)) for axes in figure.axes] for figure in drawn] == [
        [["training, label smoothing 0.1"]],
        [["evaluation"]],
    ]


def test_a_metric_that_came_later(run_folder, drawn):
    eval_log.write_evaluations(run_folder, [ROWS[0], {**ROWS[1], "gain": 0.25}])
    curves.draw(run_folder)
    (before, after) = lines(drawn[0].axes[1])["gain"]
    assert after == [200, 0.25]
    assert before[1] != before[1]  # not a number: not drawn


def test_metrics_of_decoding_have_axes_of_their_own(run_folder, drawn):
    # An untrained model may answer too much, or nothing right.
    decoded = {"bleu": 0.5, "token_error_rate": 1417.0}
    eval_log.write_evaluations(run_folder, [{**row, **decoded} for row in ROWS])
    curves.draw(run_folder)
    _, answers, others = drawn[0].axes
    assert list(lines(answers)) == ["bleu", "token_error_rate"]
    assert (answers.get_ylim(), answers.get_ylabel()) == ((0, 100), "decoded answers (0 to 100)")
    assert list(lines(others)) == ["accuracy"]


def test_nothing_to_draw(run_folder, tmp_path):
    assert curves.draw(run_folder) is None
    assert curves.draw(tmp_path / "nowhere") is None
    assert not (run_folder / "curves.png").exists()


def test_no_record(tmp_path):
    eval_log.write_evaluations(tmp_path, ROWS)
    with pytest.raises(CheckpointError, match="run.json is missing"):
        curves.draw(tmp_path)


def test_a_run_that_resumed_from_an_earlier_step(tmp_path):
    write_events(tmp_path, (100, 4.0), (200, 3.0), (300, 9.0), (400, 9.0))
    assert curves.training_losses(tmp_path) == {100: 4.0, 200: 3.0, 300: 9.0, 400: 9.0}
    # The losses after step 200 are dropped, though step 400 isn't reached again yet.
    (old,) = tmp_path.glob("events*")
    old.rename(tmp_path / "events.out.tfevents.0000000001.before")
    write_events(tmp_path, (300, 2.0))
    assert curves.training_losses(tmp_path) == {100: 4.0, 200: 3.0, 300: 2.0}
