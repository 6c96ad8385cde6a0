"""Times the loss and its gradients for several chunk sizes, compared with dense logits."""

from __future__ import annotations

import statistics
import time

import keras
import numpy as np
from keras import ops

from t2tlite.model import losses

ROWS, LENGTH, ROUNDS = 64, 32, 5
CHUNKS = [128, 256, 512, 1024, 2048]


def with_gradient(function):
    """Compiles `function(hidden, table)`, a loss, to return also its gradients."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.value_and_grad(function, argnums=(0, 1)))
    import tensorflow as tf

    @tf.function
    def compiled(hidden, table):
        with tf.GradientTape() as tape:
            tape.watch([hidden, table])
            value = function(hidden, table)
        return value, tape.gradient(value, [hidden, table])

    return compiled


def main() -> None:
    draw = np.random.default_rng(0)
    for width, vocab_size in [(128, 8192), (512, 32768)]:
        hidden = ops.convert_to_tensor(draw.standard_normal((ROWS, LENGTH, width)), "float32")
        table = ops.convert_to_tensor(draw.standard_normal((vocab_size, width)) * 0.1, "float32")
        targets = ops.convert_to_tensor(draw.integers(2, vocab_size, (ROWS, LENGTH)), "int32")
        weights = ops.ones((ROWS, LENGTH))

        def dense(hidden, table, targets=targets):
            logits = ops.matmul(hidden, ops.transpose(table))
            return ops.sum(losses.cross_entropy(logits, targets, 0.1))

        def chunked(hidden, table, targets=targets, weights=weights):
            return losses.projected_cross_entropy(hidden, table, targets, weights, 0.1)

        compiled = {"dense": with_gradient(dense)}
        compiled["dense"](hidden, table)
        for chunk in CHUNKS:
            losses.CHUNK_TOKENS = chunk
            compiled[f"chunks of {chunk}"] = with_gradient(chunked)
            # Traced now, as tracing reads the chunk size.
            compiled[f"chunks of {chunk}"](hidden, table)
        times: dict[str, list[float]] = {name: [] for name in compiled}
        for _ in range(ROUNDS):
            for name, function in compiled.items():
                started = time.perf_counter()
                np.asarray(function(hidden, table)[1][1])
                times[name].append(1e3 * (time.perf_counter() - started))
        print(f"width {width}, vocabulary {vocab_size}, {ROWS * LENGTH} tokens, {ROUNDS} rounds:")
        for name, milliseconds in times.items():
            ratio = statistics.median(
                d / m for d, m in zip(times["dense"], milliseconds, strict=True)
            )
            median = statistics.median(milliseconds)
            print(f"  {name:<16} {median:8.0f} ms, {ratio:.2f} times as fast as dense")


if __name__ == "__main__":
    main()
