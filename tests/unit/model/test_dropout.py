"""Masks of dropout as good as those of a generator."""

import itertools

import keras
import numpy as np
import pytest

from t2tlite.model.dropout import keep_mask

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX compiles it")

SHAPE = (64, 32, 128)


@pytest.fixture(scope="module")
def masks():
    """Kept values of 0.9 by seed, of seeds that follow each other as those of a generator do."""
    return {
        seed: np.asarray(keep_mask(np.array(seed, np.uint32), 0.9, SHAPE))
        for seed in itertools.product((0, 1, 2, 2**31, 2**32 - 1), (0, 1, 2, 3, 1000))
    }


def agrees(share, probability, count):
    """Whether a share of `count` draws is within 5 standard deviations of their probability."""
    return abs(share - probability) < 5 * (probability * (1 - probability) / count) ** 0.5


def test_each_seed_keeps_the_share(masks):
    assert all(agrees(mask.mean(), 0.9, mask.size) for mask in masks.values())


def test_masks_of_different_seeds_are_independent(masks):
    for one, other in itertools.combinations(masks.values(), 2):
        assert agrees((one & other).mean(), 0.81, one.size)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("distance", [1, 2, 3, 16])
def test_values_of_a_mask_are_independent(masks, axis, distance):
    for mask in masks.values():
        both = mask & np.roll(mask, distance, axis)
        # Each value is in two of the pairs, so their number varies more than that of coins.
        assert agrees(both.mean(), 0.81, both.size / 3)


def test_all_parts_of_a_tensor_keep_the_share(masks):
    for mask in masks.values():
        for axis in range(3):
            others = tuple(a for a in range(3) if a != axis)
            size = mask.size / mask.shape[axis]
            assert all(agrees(share, 0.9, size) for share in mask.mean(others))


@pytest.mark.parametrize("probability", [0.0, 1e-3, 0.5, 1.0])
def test_probabilities(probability):
    mask = np.asarray(keep_mask(np.array((7, 7), np.uint32), probability, (1000, 1000)))
    assert agrees(mask.mean(), probability, mask.size) or mask.mean() == probability


def test_depends_on_the_seed_alone():
    seed = np.array((3, 4), np.uint32)
    assert (np.asarray(keep_mask(seed, 0.5, (9, 9))) == keep_mask(seed, 0.5, (9, 9))).all()
