"""Masks of dropout that a generator draws."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite.model.dropout import drawn_mask

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")

SHAPE = (64, 33, 125)


def masks(rate, count=3, shape=SHAPE, seed=1):
    generator = keras.random.SeedGenerator(seed)
    return [np.asarray(drawn_mask(generator, rate, shape)) for _ in range(count)]


def agrees(share, probability, count):
    """Whether a share of `count` draws is within 5 standard deviations of their probability."""
    return abs(share - probability) < 5 * (probability * (1 - probability) / count) ** 0.5


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.3, 0.5, 0.6, 0.9, 0.999])
def test_the_rate_is_exact(rate):
    drawn = np.stack(masks(rate, count=8))
    assert agrees(1 - drawn.mean(), rate, drawn.size)
    for axis in range(4):
        others = tuple(a for a in range(4) if a != axis)
        count = drawn.size / drawn.shape[axis]
        assert all(agrees(1 - share, rate, count) for share in drawn.mean(others))


def test_masks_and_values_are_independent():
    drawn = masks(0.1)
    for one, other in itertools.combinations(drawn, 2):
        assert agrees((one & other).mean(), 0.81, one.size)
    for axis, distance in itertools.product(range(3), (1, 2, 8)):
        both = drawn[0] & np.roll(drawn[0], distance, axis)
        # Each value is in two of the pairs, so their number varies more than that of coins.
        assert agrees(both.mean(), 0.81, both.size / 3)


def test_the_seed_decides():
    first, again, other = masks(0.3), masks(0.3), masks(0.3, seed=2)
    assert all(map(np.array_equal, first, again))
    assert not any(map(np.array_equal, first, other))


def test_shapes():
    """Also those that are known only when the program runs."""
    assert masks(0.5, 1, (1, 4, 1))[0].shape == (1, 4, 1)
    assert masks(0.5, 1, (7,))[0].shape == (7,)
    import tensorflow as tf

    generator = keras.random.SeedGenerator(0)
    any_size = tf.TensorSpec([None, None, 5])
    traced = tf.function(
        lambda x: drawn_mask(generator, 0.5, ops.shape(x)), input_signature=[any_size]
    )
    assert {traced(tf.zeros(shape)).shape for shape in [(2, 3, 5), (1, 9, 5)]} == {
        (2, 3, 5),
        (1, 9, 5),
    }
