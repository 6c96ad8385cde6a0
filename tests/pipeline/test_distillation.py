"""A trained model teaches students, by its answers and by its distributions."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from t2tlite.checkpoint.checkpoints import read_tensors
from tests.pipeline.conftest import BIN
from tests.pipeline.test_jax_devices import SMALL, devices

pytestmark = pytest.mark.long

# It was trained for 250 steps, and is often wrong.
TEACHER = Path(__file__).parents[1] / "golden" / "model"
# As the teacher's own training.
STUDENT = (
    "hidden_size=32,filter_size=64,num_hidden_layers=1,batch_size=1024,attention_dropout=0,"
    "relu_dropout=0,layer_prepostprocess_dropout=0,learning_rate_constant=0.4,"
    "learning_rate_schedule=constant*linear_warmup*rsqrt_decay*rsqrt_hidden_size,"
    "learning_rate_warmup_steps=100,"
)


@pytest.fixture(scope="module")
def data(digits, tmp_path_factory):
    """A copy of the teacher's data, which gets those of the students."""
    folder = tmp_path_factory.mktemp("taught")
    for path in Path(digits).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def words(data, name, *more):
    decode_hparams = "--decode_hparams=beam_size=1,extra_length=0"
    known = f"--output_dir={TEACHER}", f"--data_dir={data}", f"--problem_name={name}"
    return ["t2t-distill", *known, decode_hparams, "--num_workers=2", *more]


def train(command, data, name, folder, steps, hparams="", **environment):
    backend = "jax" if environment else "tensorflow"
    command(
        *("t2t-trainer", f"--problem={name}", f"--data_dir={data}", f"--output_dir={folder}"),
        *("--model=transformer", "--hparams_set=transformer_tiny", f"--train_steps={steps}"),
        *(f"--local_eval_frequency={steps}", f"--backend={backend}", f"--hparams={hparams}"),
        **environment,
    )
    lines = (folder / "eval.jsonl").read_text().splitlines()
    return json.loads(lines[-1])


def contents(data, name):
    return {path.name.replace(name, ""): path.read_bytes() for path in data.glob(f"{name}-*")}


def test_answers(command, data, tmp_path):
    """A killed command goes on with the same bytes; the student learns from the answers."""
    command(*words(data, "whole"))
    given = [str(BIN / "t2t-distill"), *words(data, "killed")[1:]]
    process = subprocess.Popen(given, stderr=subprocess.DEVNULL)
    pattern = f".{data.name}.killed.teacher*/train.part"
    for _ in range(6000):
        found = [path.stat().st_size for path in data.parent.glob(pattern)]
        if process.poll() is not None or sum(found) > 20_000:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not contents(data, "killed")
    done = command(*words(data, "killed"))
    assert "resuming after" in done.stderr
    assert contents(data, "killed") == contents(data, "whole")
    # Complete, it does nothing.
    assert "is complete" in command(*words(data, "killed")).stderr
    metrics = train(command, data, "whole", tmp_path / "student", 250, STUDENT.rstrip(","))
    assert metrics["accuracy"] > 0.5


def test_distributions(command, data, tmp_path):
    """A student that never sees a target learns what the teacher knows, on both backends."""
    command(*words(data, "soft", "--targets=data", "--top_k=5"))
    hparams = "task_balance=0,distill_temperature=2"
    metrics = train(command, data, "soft", tmp_path / "student", 250, STUDENT + hparams)
    assert metrics["accuracy"] > 0.5
    twice = ",optimizer=multistep_adam,optimizer_multistep_accumulate_steps=2"
    train(command, data, "soft", tmp_path / "accumulated", 4, STUDENT + hparams + twice)
    # Packed rows on two devices train as on one.
    shared = f"{SMALL},{hparams},batch_size="
    train(command, data, "soft", tmp_path / "one", 8, f"{shared}1024", **devices(1))
    train(command, data, "soft", tmp_path / "two", 8, f"{shared}512", **devices(2))
    one, two = (read_tensors(tmp_path / n / "model.ckpt-8.safetensors") for n in ("one", "two"))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=0, atol=1e-4, err_msg=name)
    done = command(*words(data, "soft", "--top_k=7"), status=1)
    assert "made otherwise" in done.stderr.splitlines()[-1]
