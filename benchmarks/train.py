"""Times the training step on fixed batches, in turn with a peer; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from t2tlite import cores
from t2tlite.optimizers import optimizers

BATCH, LENGTH = 64, 32
SIZES = {"poetry": ("transformer_poetry", 8192), "base": ("transformer_base", 32768)}
WARM_UP = 4


def matrix_rate(precision: str) -> float:
    """Best GFLOP/s of three products of 3072 x 3072 matrices, in TensorFlow."""
    import numpy as np
    import tensorflow as tf

    numbers = np.random.default_rng(0).random((3072, 3072), np.float32)
    matrix = tf.cast(numbers, precision)
    (matrix @ matrix).numpy()
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        (matrix @ matrix).numpy()
        best = max(best, 2 * 3072**3 / (time.perf_counter() - started) / 1e9)
    return best


def step_gflop(hparams, vocab_size: int) -> float:
    """GFLOP of a training step's matrix products with weights, forward and backward."""
    width, inner, layers = hparams.hidden_size, hparams.filter_size, hparams.num_hidden_layers
    encoder = 4 * width * width + 2 * width * inner
    decoder = 8 * width * width + 2 * width * inner
    weights = vocab_size * width + layers * (encoder + decoder)
    return 6 * BATCH * LENGTH * weights / 1e9


def measure_t2tlite(size: str, steps: int, precision: str) -> dict[str, Any]:
    """Trains on one random batch; returns the results as JSON values."""
    from t2tlite.devices import devices

    device = devices.choose()
    import keras
    import numpy as np
    import tensorflow as tf

    from t2tlite import registry
    from t2tlite.config import ProblemHParams
    from t2tlite.model import protocol
    from t2tlite.training import objective

    precision = precision or ("bfloat16" if device.multiplies_bfloat16 else "float32")
    rate = matrix_rate(precision)
    name, vocab_size = SIZES[size]
    hparams = registry.hparams(name)
    hparams.activation_dtype = precision
    hparams.attention_dropout = hparams.layer_prepostprocess_dropout = 0.1
    sides = ("inputs", "targets")
    problem_hparams = ProblemHParams(
        vocab_size=dict.fromkeys(sides, vocab_size), modality=dict.fromkeys(sides, "symbol")
    )
    network = registry.model("transformer")(hparams, problem_hparams)
    protocol.build(network, problem_hparams)
    model = objective.Objective(network, hparams, problem_hparams, device.sum_over_replicas)
    optimizer = optimizers.make_optimizer(hparams, 10_000, fused_adam=device.fused_adam)
    model.compile(optimizer=optimizer, jit_compile=device.static_shapes)
    draw = np.random.default_rng(0)
    batch = {side: draw.integers(2, vocab_size, (BATCH, LENGTH)).astype("int32") for side in sides}
    ends: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            ends.append(time.perf_counter())

    data = tf.data.Dataset.from_tensors(batch).repeat()
    model.fit(data, steps_per_epoch=steps + WARM_UP, verbose=0, shuffle=False, callbacks=[Clock()])
    seconds = statistics.median(np.diff(ends)[WARM_UP - 1 :].tolist())
    achieved = step_gflop(hparams, vocab_size) / seconds
    return {
        "precision": precision,
        "tgt_tokens_per_s_median": BATCH * LENGTH / seconds,
        "gflops": achieved,
        "matrix_gflops": rate,
    }


def machine() -> str:
    """Returns the processor's name and the cores that this process may use."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {cores.available()} cores"


def run_command(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Runs a command; returns the JSON object of its last line, and its peak memory."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{shlex.join(command)} failed:\n{errors.read()[-2000:]}")
        results = json.loads(output.read().strip().splitlines()[-1])
    return {**results, "peak_mb": usage.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peer", action="append", default=[], help="command of another system; see README.md"
    )
    parser.add_argument("--size", choices=list(SIZES), default="poetry")
    parser.add_argument("--backend", choices=["tensorflow", "jax"], default="tensorflow")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--once", action="store_true", help="measure t2tlite once and print JSON")
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(measure_t2tlite(arguments.size, arguments.steps, arguments.precision)))
        return

    from rich.console import Console
    from rich.table import Table

    shape = f"{arguments.size} size, {BATCH} x {LENGTH} per batch"
    table = Table(title=f"Target tokens/s, {shape}, {machine()}")
    for column in ("round", "system", "tokens/s", "t2tlite is", "of the matrix rate", "peak MB"):
        table.add_column(column, justify="right")
    environment = {
        "KERAS_BACKEND": arguments.backend,
        "OMP_WAIT_POLICY": "passive",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    flags = [f"--size={arguments.size}", f"--steps={arguments.steps}", "--once"]
    if arguments.precision:
        flags.append(f"--precision={arguments.precision}")
    ratios: dict[str, list[float]] = {peer: [] for peer in arguments.peer}
    for number in range(1, arguments.rounds + 1):
        result = run_command([sys.executable, __file__, *flags], environment)
        rate = result["tgt_tokens_per_s_median"]
        matrix, memory = result["matrix_gflops"], f"{result['peak_mb']:,.0f}"
        share = f"{result['gflops'] / matrix:.0%} of {matrix:.0f} GFLOP/s"
        system = f"t2tlite {result['precision']}"
        table.add_row(str(number), system, f"{rate:,.0f}", "", share, memory)
        for index, peer in enumerate(arguments.peer, 1):
            peer_result = run_command(shlex.split(peer), environment)
            peer_rate = peer_result["tgt_tokens_per_s_median"]
            ratios[peer].append(rate / peer_rate)
            times = f"{ratios[peer][-1]:.2f} times"
            memory = f"{peer_result['peak_mb']:,.0f}"
            table.add_row("", f"peer {index}", f"{peer_rate:,.0f}", times, "", memory)
    Console(width=110).print(table)
    for index, (peer, peer_ratios) in enumerate(ratios.items(), 1):
        median = statistics.median(peer_ratios)
        print(f"t2tlite is {median:.2f} times peer {index} (median): {peer}")


if __name__ == "__main__":
    main()
