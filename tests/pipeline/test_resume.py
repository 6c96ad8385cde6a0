"""Interrupted training resumes at the next step; another problem in the folder is refused."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from safetensors.numpy import load_file

from t2tlite.checkpoint import checkpoints
from tests.pipeline.conftest import BIN, from_warm, run_entry_point

HPARAMS = "hidden_size=32,filter_size=64,num_hidden_layers=1,batch_size=512,batching=bucket"


def arguments(digits, folder, steps, **flags):
    given = {
        "problem": "reverse_digits",
        "data_dir": digits,
        "output_dir": folder,
        "model": "transformer",
        "hparams_set": "transformer_tiny",
        "hparams": HPARAMS,
        "train_steps": steps,
        "local_eval_frequency": 10,
        **flags,
    }
    return ["t2t-trainer", *(f"--{name}={value}" for name, value in given.items())]


def weights(folder, step):
    return load_file(folder / f"model.ckpt-{step}.safetensors")


@pytest.fixture(scope="module")
def trained(command, digits, tmp_path_factory):
    """A model folder after twenty steps."""
    folder = tmp_path_factory.mktemp("resume") / "model"
    command(*arguments(digits, folder, 20))
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """A copy of that folder to resume in."""
    return shutil.copytree(trained, tmp_path / "model")


def test_two_runs_of_ten_steps_equal_one_of_twenty(command, digits, trained, tmp_path):
    command(*arguments(digits, tmp_path / "parts", 10))
    # The number of steps per compiled call doesn't change the result either.
    command(*arguments(digits, tmp_path / "parts", 20, iterations_per_loop=5))
    whole, parts = weights(trained, 20), weights(tmp_path / "parts", 20)
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert value.tobytes() == parts[name].tobytes(), name
    rows = (tmp_path / "parts" / "eval.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [10, 20]


@pytest.mark.parametrize(
    "which", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_a_signal_saves_and_exits_with_status_0(digits, tmp_path, which):
    folder = tmp_path / "model"
    words = arguments(digits, folder, 100_000, local_eval_frequency=100_000)
    words += ["--save_checkpoints_secs=1"]
    process = subprocess.Popen(
        [BIN / words[0], *words[1:]], stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        deadline = time.monotonic() + 120
        while not (folder / "checkpoint.json").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(which)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, stderr
    assert f"stopped by {which.name}" in stderr
    step = json.loads((folder / "checkpoint.json").read_text())["steps"][-1]
    assert f"at step {step}" in stderr


def test_damaged_newest_checkpoint_falls_back_to_the_one_before(command, digits, folder):
    newest = folder / "model.ckpt-20.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    done = command(*arguments(digits, folder, 30))
    assert "model.ckpt-20.safetensors is damaged" in done.stderr
    assert "resumes at step 10" in done.stderr


def test_other_problem_in_the_same_folder_is_refused(command, digits, trained):
    done = command(*arguments(digits, trained, 30, problem="reverse_digits_rev"), status=1)
    assert done.stderr.strip().splitlines()[-1].startswith("t2t-trainer: ")
    assert "holds a model with problem reverse_digits, not reverse_digits_rev" in done.stderr


def test_evaluate_needs_only_the_folders(command, digits, trained):
    asked = [f"--output_dir={trained}", f"--data_dir={digits}", "--schedule=evaluate"]
    rows = [json.loads(line) for line in (trained / "eval.jsonl").read_text().splitlines()]
    for row, more in zip(rows, (["--checkpoint_path=10"], []), strict=True):
        done = command("t2t-trainer", *asked, *more)
        printed = dict(line.split("\t") for line in done.stdout.splitlines())
        assert float(printed["loss"]) == pytest.approx(row["loss"], abs=1e-5)
    stderr = command(*arguments(digits, trained, 30, checkpoint_path=10), status=2).stderr
    assert "goes with --schedule=evaluate or decode; training resumes from" in stderr


def test_kills_at_random_moments_change_no_bit(command, digits, tmp_path):
    # Moving averages, accumulated gradients and the random state of dropout must be restored, too.
    hparams = f"{HPARAMS},ema_decay=0.9,optimizer_multistep_accumulate_steps=3"
    given = {"hparams": hparams, "eval_steps": 1, "local_eval_frequency": 100}
    given["save_checkpoints_secs"] = 1
    steps = 300
    command(*arguments(digits, tmp_path / "whole", steps, **given))

    folder = tmp_path / "killed"
    words = arguments(digits, folder, steps, **given)
    draw = random.Random(7)
    outputs = [os.devnull, tmp_path / "stdout", tmp_path / "stderr"]
    for kill in range(3):
        before = checkpoints.steps(folder)
        process = from_warm(run_entry_point, words, tmp_path, outputs)
        # Every other run is killed while training or saving, the others at a random moment.
        deadline = time.monotonic() + 120
        while kill % 2 and process.is_alive() and checkpoints.steps(folder) == before:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(draw.uniform(0.0, 1.0 if kill % 2 else 8.0))
        process.kill()
        process.join()
    stderr = command(*words).stderr
    assert "resumes at step" in stderr or "already trained" in stderr

    for path in (checkpoints.weights_path, checkpoints.optimizer_path):
        whole, killed = (load_file(path(tmp_path / name, steps)) for name in ("whole", "killed"))
        assert whole.keys() == killed.keys()
        for name, value in whole.items():
            assert value.tobytes() == killed[name].tobytes(), name
    whole, killed = ((tmp_path / name / "eval.jsonl").read_text() for name in ("whole", "killed"))
    assert killed == whole
