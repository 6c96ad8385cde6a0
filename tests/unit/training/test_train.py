"""`train` and `evaluate` on a small problem, in this process."""

import dataclasses
import json
import re

import pytest
from safetensors.numpy import load_file

from t2tlite.checkpoint import checkpoints, eval_log
from t2tlite.devices.devices import Devices
from t2tlite.errors import DataError, OutputError
from t2tlite.metrics import OF_DECODING
from t2tlite.training.evaluate import evaluate
from t2tlite.training.find_learning_rate import find_learning_rate
from t2tlite.training.setup import TrainingSetup
from t2tlite.training.train import _steps_per_call, train
from t2tlite.training.train_args import TrainArgs

CPU = Devices("tensorflow", "CPU", 1)


@pytest.mark.parametrize(
    ("asked", "step", "expected"),
    [(1, 0, 1), (8, 0, 5), (30, 0, 25), (30, 10, 10), (30, 7, 1)],
)
def test_a_call_ends_where_something_happens(asked, step, expected):
    train_args = TrainArgs(train_steps=150, eval_frequency=50, steps_per_call=asked)
    assert _steps_per_call(train_args, CPU, step) == expected
    assert _steps_per_call(train_args, Devices("", "", 2, object()), step) == 1


def test_training_saves_and_evaluates_and_evaluate_gives_the_same(
    make_run, data_dir, tmp_path, said
):
    train_args = TrainArgs(train_steps=4, eval_frequency=2)
    metrics = train(make_run(), data_dir, str(tmp_path), train_args, CPU)
    assert checkpoints.steps(tmp_path) == [2, 4]
    rows = eval_log.read_evaluations(tmp_path)
    assert [row["step"] for row in rows] == [2, 4]
    assert metrics == {name: value for name, value in rows[1].items() if name != "step"}
    assert re.search("step 4 evaluation: loss .*  on 48 of 48 examples", "\n".join(said()))
    decode = f"t2t-decoder --output_dir={tmp_path} --checkpoint_path=best --decode_interactive"
    assert said()[-1] == f"to decode: {decode}"
    for checkpoint, row in ((2, rows[0]), ("", rows[1])):
        again = evaluate(make_run(), data_dir, str(tmp_path), train_args, CPU, checkpoint)
        assert again["loss"] == pytest.approx(row["loss"], abs=1e-6)
    # A single evaluation is of everything, unless told otherwise.
    few = dataclasses.replace(train_args, eval_steps=1)
    evaluate(make_run(), data_dir, str(tmp_path), few, CPU)
    evaluated = [line for line in said() if line.startswith("evaluated on ")]
    assert evaluated[:2] == ["evaluated on 48 of 48 examples"] * 2
    assert re.fullmatch("evaluated on [12]?[0-9] of 48 examples", evaluated[2])
    assert {"run.json", "curves.png", "eval.jsonl"} <= {path.name for path in tmp_path.iterdir()}
    train(make_run(), data_dir, str(tmp_path), train_args, CPU)
    assert "already trained for 4 steps; raise --train_steps to continue" in said()


def test_no_steps(make_run, data_dir, tmp_path, said):
    assert train(make_run(), data_dir, str(tmp_path), TrainArgs(train_steps=0), CPU) == {}
    assert checkpoints.steps(tmp_path) == []
    assert (tmp_path / "run.json").exists()
    assert "already trained for 0 steps; raise --train_steps to continue" in said()
    assert not [line for line in said() if "warm-up" in line or "to decode" in line]


def test_one_training_at_a_time_in_a_folder_and_evaluations_beside_it(
    make_run, data_dir, tmp_path, monkeypatch
):
    train_args = TrainArgs(train_steps=2, eval_frequency=2)

    def train_beside(setup):
        with pytest.raises(OutputError, match="another process is training .* choose another"):
            train(make_run(), data_dir, str(tmp_path), train_args, CPU)
        return {"loss": 1.0}

    with monkeypatch.context() as patch:
        patch.setattr(TrainingSetup, "evaluate", train_beside)
        train(make_run(), data_dir, str(tmp_path), train_args, CPU)
    with checkpoints.locked_folder(tmp_path):
        assert evaluate(make_run(), data_dir, str(tmp_path), train_args, CPU)["loss"] > 0
    train(make_run(), data_dir, str(tmp_path), train_args, CPU)


def test_early_stopping_ends_this_run_and_the_next(make_run, data_dir, tmp_path, monkeypatch, said):
    monkeypatch.setattr(TrainingSetup, "evaluate", lambda setup: {"loss": 2.0})
    train_args = TrainArgs(train_steps=9, eval_frequency=1, stop_after_steps=2)
    # Checkpoints wait for their time, but the last step is saved.
    train_args.save_seconds = 1000
    for _ in range(2):
        assert train(make_run(), data_dir, str(tmp_path), train_args, CPU) == {"loss": 2.0}
        assert checkpoints.steps(tmp_path)[-1] == 3
        assert [row["step"] for row in eval_log.read_evaluations(tmp_path)] == [1, 2, 3]
    lines = said()
    assert sum(line.startswith("stopping early: loss hasn't improved") for line in lines) == 1
    assert sum(line.startswith("stopped early at step 3;") for line in lines) == 1


@pytest.mark.parametrize("start", [train, find_learning_rate])
def test_what_fails_at_once_leaves_no_folder(start, make_run, data_dir, tmp_path):
    folder = tmp_path / "new" / "model"
    with pytest.raises(DataError, match="missing"):
        start(make_run(), f"{data_dir}/missing", str(folder), device=CPU)
    assert [*tmp_path.iterdir()] == []


def test_a_loss_that_is_not_finite(make_run, data_dir, tmp_path):
    # A learning rate of 1e42, which is infinite in float32.
    schedule = "*".join(7 * ["constant"])
    run = make_run(optimizer="sgd", learning_rate_schedule=schedule, learning_rate_constant=1e6)
    with pytest.raises(DataError, match="not finite at step 2; its batch, from .*; none was saved"):
        train(run, data_dir, str(tmp_path), TrainArgs(train_steps=4, eval_frequency=4), CPU)
    assert checkpoints.steps(tmp_path) == []
    lines = (tmp_path / "not_finite-2.jsonl").read_text().splitlines()
    setup = TrainingSetup(run, data_dir, TrainArgs(), CPU)
    second = setup.training_batches.batch(1)
    assert [json.loads(line)["inputs_ids"] for line in lines] == [
        ids[ids > 0].tolist() for ids in second["inputs"]
    ]


def test_a_mixture_is_cut_off_and_goes_on_as_if_it_werent(
    make_run, data_dir, tmp_path, monkeypatch, said
):
    from t2tlite.training.callback import TrainingCallback

    whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
    run = "echo<e>:0.75+echo_rev<r>:0.25"
    train_args = TrainArgs(train_steps=6, eval_frequency=3)
    metrics = train(make_run(run), data_dir, whole, train_args, CPU)
    # Each member's evaluation, and their mean, by which the best checkpoint is chosen.
    losses = [metrics[f"{name}:loss"] for name in ("echo", "echo_rev")]
    assert metrics["loss"] == pytest.approx(sum(losses) / 2)
    lines = "\n".join(said())
    assert re.search(r"mixture +echo 75% \(48\), echo_rev 25% \(48\)", lines)
    assert re.search("step 6/6 .*  echo [78]\\d% echo_rev [12]\\d%", lines)
    assert re.search("step 6 evaluation: loss .* echo:loss .* on 96 of 96 examples", lines)

    def killed(callback, logs, force, report=TrainingCallback._report):
        if callback.step == 5:
            raise ZeroDivisionError
        report(callback, logs, force)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingCallback, "_is_time_to_report", lambda callback: True)
        patch.setattr(TrainingCallback, "_report", killed)
        with pytest.raises(ZeroDivisionError):
            train(make_run(run), data_dir, cut, train_args, CPU)
    assert checkpoints.steps(cut) == [3]
    # Evaluations between the steps that decode, too, change nothing.
    decoding = dataclasses.replace(train_args, eval_frequency=1, eval_decode=4)
    decoding.stop_metric = "character_error_rate"
    resumed = make_run(run)
    resumed.decode_hparams = {"beam_size": 1, "extra_length": 2}
    decoded = train(resumed, data_dir, cut, decoding, CPU)
    for kind in ("model", "optimizer"):
        files = [tmp_path / name / f"{kind}.ckpt-6.safetensors" for name in ("whole", "cut")]
        first, second = (load_file(path) for path in files)
        assert first.keys() == second.keys()
        assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    names = [*OF_DECODING, *(f"{one}:{n}" for one in ("echo", "echo_rev") for n in OF_DECODING)]
    assert decoded.keys() - metrics.keys() == {*names}
    assert list(decoded)[:7] == ["loss", *OF_DECODING]
    each = [decoded[f"{one}:token_error_rate"] for one in ("echo", "echo_rev")]
    assert decoded["token_error_rate"] == pytest.approx(sum(each) / 2)
    assert re.search("on 96 of 96 examples; 8 inputs decoded in [0-9.]+ s", "\n".join(said()))
    assert checkpoints.best(cut) in (4, 5, 6)
    # The name holds no weights, so that other ones may follow.
    assert json.loads((tmp_path / "cut" / "run.json").read_text())["problem"] == "echo+echo_rev"
    again = evaluate(make_run(run), data_dir, cut, train_args, CPU)
    assert again["echo_rev:loss"] == pytest.approx(losses[1], abs=1e-6)
