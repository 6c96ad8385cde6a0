"""Times the training step on fixed batches, in turn with a peer; see README.md."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

from t2tlite.model import optimizers

BATCH, LENGTH = 64, 32
SIZES = {"poetry": ("transformer_poetry", 8192), "base": ("transformer_base", 32768)}
WARM_UP = 4


def matrix_rate() -> float:
    """Best GFLOP/s of three 3072^3 float32 products, with the libraries that training uses."""
    import numpy as np
    import tensorflow as tf

    matrix = tf.constant(np.random.default_rng(0).random((3072, 3072), np.float32))
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        (matrix @ matrix).numpy()
        best = max(best, 2 * 3072**3 / (time.perf_counter() - started) / 1e9)
    return best


def products(hparams, vocab_size: int) -> float:
    """GFLOP in the matrix products with weights of one training step, forward and backward."""
    width, inner, layers = hparams.hidden_size, hparams.filter_size, hparams.num_hidden_layers
    encoder = 4 * width * width + 2 * width * inner
    decoder = 8 * width * width + 2 * width * inner
    weights = vocab_size * width + layers * (encoder + decoder)
    return 6 * BATCH * LENGTH * weights / 1e9


def ours(size: str, steps: int) -> dict[str, float]:
    """Trains on one random batch and returns the figures."""
    from t2tlite.devices import devices

    device = devices.current()
    import keras
    import numpy as np
    import tensorflow as tf

    from t2tlite import registry
    from t2tlite.checkpoint import run_record
    from t2tlite.config import ProblemHParams
    from t2tlite.training import objective

    rate = matrix_rate()
    name, vocab_size = SIZES[size]
    hparams = registry.hparams(name)
    hparams.attention_dropout = hparams.layer_prepostprocess_dropout = 0.1
    sides = ("inputs", "targets")
    problem_hparams = ProblemHParams(
        vocab_size=dict.fromkeys(sides, vocab_size), modality=dict.fromkeys(sides, "symbol")
    )
    network = registry.model("transformer")(hparams, problem_hparams)
    run_record.build(network, problem_hparams)
    model = objective.Objective(network, hparams, problem_hparams, device.sum_over_replicas)
    optimizer = optimizers.make_optimizer(hparams, 10_000)
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
    achieved = products(hparams, vocab_size) / seconds
    return {
        "tgt_tokens_per_s_median": BATCH * LENGTH / seconds,
        "gflops": achieved,
        "matrix_gflops": rate,
    }


def measured(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """Runs a command; returns the JSON object of its last line and the peak of its memory."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=told
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        told.seek(0)
        if process.returncode:
            raise SystemExit(f"{shlex.join(command)} failed:\n{told.read()[-2000:]}")
        figures = json.loads(output.read().strip().splitlines()[-1])
    return {**figures, "peak_mb": usage.ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peer", action="append", default=[], help="command of another system, see README.md"
    )
    parser.add_argument("--size", choices=list(SIZES), default="poetry")
    parser.add_argument("--backend", choices=["tensorflow", "jax"], default="tensorflow")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--ours", action="store_true", help="measure ours once, print JSON")
    arguments = parser.parse_args()
    if arguments.ours:
        print(json.dumps(ours(arguments.size, arguments.steps)))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Target tokens/s, {arguments.size} size, {BATCH} x {LENGTH} a batch")
    for column in ("round", "system", "tokens/s", "t2tlite is", "of the matrix rate", "peak MB"):
        table.add_column(column, justify="right")
    environment = {
        "KERAS_BACKEND": arguments.backend,
        "OMP_WAIT_POLICY": "passive",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    flags = [f"--size={arguments.size}", f"--steps={arguments.steps}", "--ours"]
    ratios: dict[str, list[float]] = {peer: [] for peer in arguments.peer}
    for number in range(1, arguments.rounds + 1):
        us = measured([sys.executable, __file__, *flags], environment)
        rate = us["tgt_tokens_per_s_median"]
        share = f"{us['gflops'] / us['matrix_gflops']:.0%} of {us['matrix_gflops']:.0f} GFLOP/s"
        table.add_row(str(number), "t2tlite", f"{rate:,.0f}", "", share, f"{us['peak_mb']:,.0f}")
        for index, peer in enumerate(arguments.peer, 1):
            its = measured(shlex.split(peer), environment)
            its_rate = its["tgt_tokens_per_s_median"]
            ratios[peer].append(rate / its_rate)
            times = f"{ratios[peer][-1]:.2f} times"
            memory = f"{its['peak_mb']:,.0f}"
            table.add_row("", f"peer {index}", f"{its_rate:,.0f}", times, "", memory)
    Console(width=100).print(table)
    for index, (peer, found) in enumerate(ratios.items(), 1):
        print(f"t2tlite is {statistics.median(found):.2f} times peer {index} (median): {peer}")


if __name__ == "__main__":
    main()
