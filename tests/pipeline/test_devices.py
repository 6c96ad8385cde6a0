"""Training on several devices or machines equals training on one device with the whole batch."""

import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.pipeline.conftest import BIN, free_ports

STEPS = 24
# Dropout draws other numbers for a part of a batch than for the whole.
NO_DROPOUT = "attention_dropout=0,relu_dropout=0,layer_prepostprocess_dropout=0"
# Adam would amplify the rounding of gradients near zero.
SGD = "optimizer=momentum,learning_rate_schedule=constant,learning_rate_constant=0.05"
SMALL = f"hidden_size=32,filter_size=64,num_hidden_layers=1,{NO_DROPOUT},{SGD}"

ON_LOGICAL_DEVICES = """
import sys
import tensorflow as tf
from t2tlite import RunRecord, TrainArgs, registry, train
from t2tlite.devices.devices import Devices
data, folder, count, batch_size, steps, hparams = sys.argv[1:]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
)
count = int(count)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]) if count == 2 else None
device = Devices("tensorflow", "CPU", count, strategy)
hparams_set = registry.hparams("transformer_tiny").override(f"{hparams},batch_size={batch_size}")
run = RunRecord.describe("reverse_digits", "transformer", hparams_set, [])
train(run, data, folder, TrainArgs(int(steps), eval_frequency=8, eval_steps=1), device)
"""


def weights(folder, step=STEPS):
    from safetensors.numpy import load_file

    return load_file(folder / f"model.ckpt-{step}.safetensors")


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        # Rounding may move the input of a ReLU across zero, which changes a gradient this much.
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=1e-4, err_msg=name)


@pytest.fixture(scope="module")
def train(digits):
    """Trains on logical devices of the CPU for a number of steps."""

    def run(folder, count, batch_size, steps=STEPS):
        words = [digits, folder, count, batch_size, steps, SMALL]
        done = subprocess.run(
            [sys.executable, "-c", ON_LOGICAL_DEVICES, *map(str, words)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="module")
def on_one_device(train, tmp_path_factory):
    """The weights after training on one device with the whole batch."""
    folder = tmp_path_factory.mktemp("one")
    train(folder, 1, 1024)
    last, before = weights(folder), weights(folder, 16)
    # The weights must change by much more than the tolerance of 1e-4.
    assert max(np.abs(last[name] - before[name]).max() for name in last) > 1e-2
    return last


@pytest.mark.long
def test_two_devices_and_an_interruption(train, on_one_device, tmp_path):
    train(tmp_path, 2, 512, steps=10)
    train(tmp_path, 2, 512)
    assert_equal(weights(tmp_path), on_one_device)


def test_one_of_two_machines_is_killed(command, digits, on_one_device, tmp_path):
    masters = ",".join(f"localhost:{port}" for port in free_ports(2))
    lines = command("t2t-make-tf-configs", f"--masters={masters}").stdout.splitlines()
    folder = tmp_path / "model"
    flags = {
        "problem": "reverse_digits",
        "data_dir": digits,
        "output_dir": folder,
        "model": "transformer",
        "hparams_set": "transformer_tiny",
        "hparams": f"{SMALL},batch_size=512",
        "train_steps": STEPS,
        "local_eval_frequency": 8,
        "eval_steps": 1,
    }
    words = [BIN / "t2t-trainer", *(f"--{name}={value}" for name, value in flags.items())]
    started = []

    def start(line):
        name, _, value = shlex.split(line)[0].partition("=")
        environment = {**os.environ, name: value}
        with (tmp_path / f"{len(started)}.log").open("w") as log:
            started.append(subprocess.Popen(words, stderr=log, stdout=log, env=environment))
        return started[-1]

    try:
        chief, worker = start(lines[0]), start(lines[1])
        deadline = time.monotonic() + 300
        while not (folder / "model.ckpt-8.safetensors").exists():
            assert time.monotonic() < deadline, (tmp_path / "0.log").read_text()
            time.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
        again = start(lines[1])
        assert again.wait(timeout=300) == 0, (tmp_path / "2.log").read_text()
        assert chief.wait(timeout=60) == 0, (tmp_path / "0.log").read_text()
    finally:
        for process in started:
            process.kill()
            process.wait()
    output = (tmp_path / "0.log").read_text()
    assert "another machine went away" in output
    assert "resumes at step" in output
    assert_equal(weights(folder), on_one_device)
