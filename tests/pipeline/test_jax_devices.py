"""JAX on several devices, as on a TPU: their number doesn't change the result."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from t2tlite.checkpoint.checkpoints import read_tensors
from tests.conftest import FAST_COMPILATION
from tests.pipeline.conftest import BIN, free_ports

pytest.importorskip("jax", reason="needs JAX")

STEPS = 20
SMALL = (
    "hidden_size=32,filter_size=64,num_hidden_layers=1,max_length=32,batching=pack,"
    "optimizer=momentum,learning_rate_schedule=constant,learning_rate_constant=0.05,"
    "attention_dropout=0,relu_dropout=0,layer_prepostprocess_dropout=0"
)


def flags(digits, folder, batch_size, **more):
    values = {
        "backend": "jax",
        "problem": "reverse_digits",
        "data_dir": digits,
        "output_dir": folder,
        "model": "transformer",
        "hparams_set": "transformer_tiny",
        "hparams": f"{SMALL},batch_size={batch_size}",
        "train_steps": STEPS,
        "local_eval_frequency": 10,
        "eval_steps": 0,
        **more,
    }
    return [f"--{name}={value}" for name, value in values.items()]


# Evaluations decode, too.
DECODING = {"eval_decode": 4, "decode_hparams": "beam_size=2,extra_length=0"}


def devices(count):
    """The environment for `count` JAX devices, and for fast compilation of tiny programs."""
    options = f"--xla_force_host_platform_device_count={count}"
    return {"XLA_FLAGS": f"{options} {FAST_COMPILATION}"}


def weights(folder, step=STEPS):
    return read_tensors(folder / f"model.ckpt-{step}.safetensors")


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "eval.jsonl").read_text().splitlines()]


def was_decoded(folder):
    rows = (folder / "eval.jsonl").read_text().splitlines()
    return "token_error_rate" in json.loads(rows[-1])


def assert_equal(folder, expected):
    np.testing.assert_allclose(losses(folder), losses(expected), rtol=1e-5)
    actual, reference = weights(folder), weights(expected)
    assert actual.keys() == reference.keys()
    for name, value in reference.items():
        # Rounding alone gives 1e-7. If it moves the input of a ReLU across zero, one token's part
        # of a gradient appears or disappears: up to 3e-5 of a weight in this model.
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def on_one(command, digits, tmp_path_factory):
    """The model folder of a training on one device."""
    folder = tmp_path_factory.mktemp("jax") / "one"
    command("t2t-trainer", *flags(digits, folder, 1024), **devices(1))
    last, before = weights(folder), weights(folder, 10)
    # The weights must change by much more than the tolerance of 1e-4.
    assert max(np.abs(last[name] - before[name]).max() for name in last) > 1e-2
    return folder


@pytest.fixture(scope="module")
def on_eight(command, digits, tmp_path_factory):
    """The model folder of a training on eight devices with the same batches."""
    folder = tmp_path_factory.mktemp("jax") / "eight"
    stderr = command("t2t-trainer", *flags(digits, folder, 128), **devices(8)).stderr
    assert "8 x CPU (Keras on jax" in stderr
    return folder


@pytest.mark.long
def test_eight_devices_equal_one(on_eight, on_one):
    assert_equal(on_eight, on_one)


def test_sharded_weights(command, digits, on_one, tmp_path):
    # Each of four parts of a batch on two devices.
    folder = tmp_path / "model"
    words = flags(digits, folder, 256, model_parallel=2)
    stderr = command("t2t-trainer", *words, **devices(8)).stderr
    assert "8 x CPU (Keras on jax" in stderr
    assert "2 a model" in stderr
    assert_equal(folder, on_one)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_one_device_resumes_from_a_checkpoint_of_eight(
    command, digits, on_eight, on_one, tmp_path, backend
):
    folder = tmp_path / "model"
    step_ten_of(on_eight, folder)
    stderr = command(
        "t2t-trainer", *flags(digits, folder, 1024, backend=backend, **DECODING)
    ).stderr
    assert "resumes at step 10" in stderr
    assert was_decoded(folder)
    assert_equal(folder, on_one)


@pytest.mark.long
def test_decoding_on_eight_devices(command, on_eight, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("".join(f"{' '.join(str(number))}\n" for number in range(10, 23)))
    outputs = []
    for count in (1, 8):
        answers = tmp_path / str(count)
        words = [f"--output_dir={on_eight}", f"--decode_from_file={lines}"]
        words += [f"--decode_to_file={answers}", "--backend=jax"]
        command("t2t-decoder", *words, "--decode_hparams=beam_size=2", **devices(count))
        outputs.append(answers.read_text())
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) == 13


def test_weights_that_cant_be_sharded(command, digits, tmp_path):
    words = flags(digits, tmp_path / "model", 128, model_parallel=3)
    stderr = command("t2t-trainer", *words, status=1, **devices(4)).stderr
    assert "--model_parallel=3 doesn't divide the 4 devices of a machine; choose 1, 2, 4" in stderr
    words = flags(digits, tmp_path / "model", 128, model_parallel=2, backend="tensorflow")
    stderr = command("t2t-trainer", *words, status=1).stderr
    assert "--model_parallel=2 needs JAX; add --backend=jax or --use_tpu" in stderr


class Pod:
    """Two processes as machines with two devices each, connected over the loopback interface."""

    def __init__(self, command, words, logs):
        logs.mkdir()
        masters = ",".join(f"localhost:{port}" for port in free_ports(2))
        made = command("t2t-make-tf-configs", f"--masters={masters}").stdout
        self.lines = made.splitlines()
        self.words = [BIN / "t2t-trainer", *words]
        self.logs = logs
        self.started = []

    def start(self, machine):
        """Starts one machine, whose output goes to its own file."""
        name, _, value = shlex.split(self.lines[machine])[0].partition("=")
        environment = {**os.environ, **devices(2), name: value}
        with self.log(len(self.started)).open("w") as log:
            process = subprocess.Popen(self.words, stderr=log, stdout=log, env=environment)
        self.started.append(process)
        return process

    def log(self, number):
        return self.logs / f"{number}.log"

    def end(self):
        for process in self.started:
            process.kill()
            process.wait()


@pytest.fixture
def pod(command, digits, tmp_path):
    """A function that starts a pod that trains in a folder."""
    made = []

    def make(folder):
        logs = tmp_path / f"logs{len(made)}"
        made.append(Pod(command, flags(digits, folder, 256, **DECODING), logs))
        return made[-1]

    yield make
    for one in made:
        one.end()


def step_ten_of(folder, copy):
    """Restores a model folder to the state after the checkpoint of step 10."""
    shutil.copytree(folder, copy)
    for path in copy.glob(f"*.ckpt-{STEPS}.safetensors"):
        path.unlink()
    (copy / "checkpoint.json").write_text('{"steps": [10]}')


@pytest.mark.long
def test_one_machine_of_a_pod_is_killed(pod, tmp_path):
    folder, undisturbed = tmp_path / "model", tmp_path / "undisturbed"
    disturbed = pod(folder)
    chief, worker = disturbed.start(0), disturbed.start(1)
    deadline = time.monotonic() + 400
    while not (folder / "model.ckpt-10.safetensors").exists():
        assert time.monotonic() < deadline, disturbed.log(0).read_text()
        time.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    again = disturbed.start(1)
    assert again.wait(timeout=400) == 0, disturbed.log(2).read_text()
    assert chief.wait(timeout=100) == 0, disturbed.log(0).read_text()
    stderr = disturbed.log(0).read_text()
    assert "machine 0 of 2" in stderr
    assert "another machine went away" in stderr
    assert "resumes at step 10" in stderr

    # Each machine reads its own files, so a pod has other batches than a single machine.
    step_ten_of(folder, undisturbed)
    other = pod(undisturbed)
    for process in [other.start(0), other.start(1)]:
        assert process.wait(timeout=400) == 0, other.log(0).read_text()
    assert_equal(folder, undisturbed)
    assert was_decoded(folder)
