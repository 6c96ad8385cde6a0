"""Fixtures of the tests of `t2tlite.model`.

`KERAS_BACKEND` picks the backend; every test holds on each.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def gradients() -> Callable[..., tuple[float, list[np.ndarray]]]:
    """A function that takes a scalar function and arrays, and returns its value and gradients."""

    def gradients(function: Callable[..., Any], *arrays: Any) -> tuple[float, list[np.ndarray]]:
        if keras.backend.backend() == "jax":
            import jax

            arguments = tuple(range(len(arrays)))
            value, grads = jax.jit(jax.value_and_grad(function, arguments))(*arrays)
        else:
            import tensorflow as tf

            @tf.function
            def run(*tensors: Any) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(tensors)
                    value = function(*tensors)
                return value, [tf.convert_to_tensor(one) for one in tape.gradient(value, tensors)]

            value, grads = run(*map(tf.convert_to_tensor, arrays))
        return float(value), [np.asarray(one) for one in grads]

    return gradients
