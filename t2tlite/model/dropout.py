"""Dropout, and which values it keeps.

Shapes: as in `t2tlite.model.layers`.
"""

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

# Constants of the hash function triple32 (github.com/skeeto/hash-prospector, public domain).
_MULTIPLIERS = np.array([0xED5AD4BB, 0xAC4C1B51, 0x31848BAB], np.uint32)
_SHIFTS = np.array([17, 11, 15, 14], np.uint32)
_ODD = np.uint32(0x9E3779B9)

_examples: ContextVar[Any] = ContextVar("examples", default=None)


@contextlib.contextmanager
def packed(examples_BT: Any) -> Iterator[None]:
    """Gives each example of a packed row masks of its own where positions share a mask.

    It holds for the layers that run, or are traced, while the context lasts.

    Args:
      examples_BT: the number of the example that each position belongs to, int32 from 0 to T; None
        for rows that hold one example each.
    """
    token = _examples.set(examples_BT)
    try:
        yield
    finally:
        _examples.reset(token)


def _mix(x, key):
    """Hashes uint32 numbers, with a key: different keys give unrelated results."""
    x = (x ^ (x >> _SHIFTS[0])) * _MULTIPLIERS[0]
    x = (x ^ (x >> _SHIFTS[1])) * _MULTIPLIERS[1] + key
    x = (x ^ (x >> _SHIFTS[2])) * _MULTIPLIERS[2]
    return x ^ (x >> _SHIFTS[3])


def keep_mask(seed, probability, shape, examples_BT=None):
    """Returns which values to keep, in a program that is compiled as a whole (JAX).

    JAX's generator, Threefry, takes about a hundred integer operations a number, and a step of
    `transformer_base` with 64 x 256 tokens draws 1.2 billion: as much time on an H100 as the matrix
    products, by the operations of the compiled program. A hash of each value's index takes 16. It
    is computed where it is used, also a second time in the backward pass, so masks needn't be
    stored; and devices that share the rows compute their own part each.

    Args:
      seed: uint32 [2], from `SeedGenerator.next`; every call needs another.
      probability: between 0 and 1.
      shape: of at most 2^32 values.
      examples_BT: of packed rows, see `packed`. The shape is then [B, 1, ...], one mask of an
        example.

    Returns:
      bool of the shape; of packed rows [B, T, ...], the same at all positions of an example.
    """
    seed = ops.convert_to_tensor(seed, "uint32")
    first = _mix(seed[0], seed[1])
    second = _mix(seed[1] * _ODD, first)
    if examples_BT is None:
        index = ops.reshape(ops.arange(math.prod(shape), dtype="uint32"), shape)
    else:
        rows, length = ops.shape(examples_BT)
        # The masks of a row's examples follow each other.
        first_BT = ops.arange(rows, dtype="uint32")[:, None] * np.uint32(length + 1)
        first_BT = (first_BT + ops.cast(examples_BT, "uint32")) * np.uint32(math.prod(shape[2:]))
        inner = ops.reshape(ops.arange(math.prod(shape[2:]), dtype="uint32"), (1, 1, *shape[2:]))
        index = ops.reshape(first_BT, (rows, length, *(1 for _ in shape[2:]))) + inner
    return _mix(index ^ first, second) < np.uint32(min(round(probability * 2**32), 2**32 - 1))


def drawn_mask(seed_generator, rate, shape):
    """Returns which values to keep, for a program whose operations run one by one (TensorFlow).

    A generator's number costs as much as 15 other operations on a value there, so a value gets one
    byte of it. 256 steps are too few for a rate: which of the two nearest steps is a value's
    threshold is drawn for each row of the last axis, so that the rate is exact to 2^-24. Rates
    below 1/16 or above 15/16 would differ too much between rows; a value gets a number of its own.

    Args:
      seed_generator: the model's.
      rate: probability of dropping a value.
      shape: of ints or scalar tensors.

    Returns:
      bool of the shape.
    """
    few = min(rate, 1 - rate)
    if few < 1 / 16:
        return keras.random.uniform(shape, seed=seed_generator) >= rate
    whole = int(256 * few)
    rows, values = math.prod(shape[:-1]), math.prod(shape)
    of_rows, of_values = rows // 4 + 1, values // 8 + 1
    words = keras.random.randint(
        (of_rows + of_values, 1), -(2**63), 2**63 - 1, "int64", seed_generator
    )
    draws = ops.reshape(ops.view(words[:of_rows], "int16"), (-1,))[:rows]
    upper = draws < int((256 * few - whole) * 2**16) - 2**15
    limits = ops.cast(upper, "int8") + np.int8(whole - 128)
    numbers = ops.reshape(ops.view(words[of_rows:], "int8"), (-1,))[:values]
    is_few = ops.reshape(numbers, shape) < ops.reshape(limits, (*shape[:-1], 1))
    return ops.logical_not(is_few) if few == rate else is_few


class Dropout(keras.layers.Layer):
    """Dropout (Srivastava et al. 2014) that may share its mask along axes.

    The positions of a row share a mask with axis 1. In packed rows they do within an example.

    Args:
      kind: the hparam with the share of values to drop. The hparam `kind`_broadcast_dims has the
        axes that share a mask, for example "0,1", or "".
      hparams: the model's.
      seed_generator: the model's, so that its random state is one variable.

    Attributes:
      rate: the share of values to drop.
      shared_by_rows: whether all rows of a batch have the same mask.
      tells_examples_apart: whether all positions have the same mask, but not all rows.
    """

    def __init__(self, kind, hparams, seed_generator, **kwargs):
        super().__init__(**kwargs)
        self.rate = getattr(hparams, kind)
        axes = getattr(hparams, f"{kind}_broadcast_dims").split(",")
        self.axes = [int(axis) for axis in axes if axis.strip()]
        rank = 4 if kind == "attention_dropout" else 3
        self.shared_by_rows = bool({0, -rank} & {*self.axes})
        shared_by_positions = rank == 3 and bool({1, -2} & {*self.axes})
        self.tells_examples_apart = shared_by_positions and not self.shared_by_rows
        self.seed_generator = seed_generator

    def call(self, x, training=False):
        if not training or not self.rate:
            return x
        noise_shape = list(ops.shape(x))
        for axis in self.axes:
            noise_shape[axis] = 1
        examples_BT = _examples.get() if self.tells_examples_apart else None
        if keras.backend.backend() == "jax":
            seed = self.seed_generator.next()
            kept = keep_mask(seed, 1 - self.rate, noise_shape, examples_BT)
            return ops.where(kept, x / (1 - self.rate), ops.zeros_like(x))
        if examples_BT is not None:
            noise_shape[1] = ops.max(examples_BT) + 1
        kept = drawn_mask(self.seed_generator, self.rate, noise_shape)
        scale = ops.convert_to_tensor(1 / (1 - self.rate), x.dtype)
        scales = ops.where(kept, scale, ops.zeros_like(scale))
        if examples_BT is not None:
            # Row by row: the masks of a row's examples follow each other.
            masks = ops.reshape(scales, (-1, *scales.shape[2:]))
            rows = ops.arange(noise_shape[0], dtype=examples_BT.dtype)
            scales = ops.take(masks, rows[:, None] * noise_shape[1] + examples_BT, axis=0)
        return x * scales


def tells_rows_apart(network):
    """Whether a model drops other values in each row of a batch."""
    return bool(getattr(getattr(network, "hparams", None), "symbol_dropout", 0.0)) or any(
        getattr(layer, "rate", 0.0) and not getattr(layer, "shared_by_rows", False)
        for layer in network._flatten_layers()
    )
