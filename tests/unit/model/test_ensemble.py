"""What an ensemble makes of outputs; tests/unit/decode has ensembles of trained models."""

import numpy as np
import pytest

from t2tlite.model.ensemble import Ensemble
from t2tlite.model.layers import MASKED


def random(seed, *shape):
    return np.random.default_rng(seed).normal(0, 2, shape).astype("float32")


def output(modality, *outputs):
    members = [lambda features, training, each=each: each for each in outputs]
    return np.asarray(Ensemble(members, modality)({}))


@pytest.mark.parametrize("modality", ["symbol", "class_label"])
def test_members_may_fill_up_the_vocabulary_otherwise(modality):
    """5 tokens, in tables of 5 and of 8 rows (vocab_divisor)."""
    logits = random(1, 2, 3, 5), random(2, 2, 3, 5)
    filled = np.pad(logits[1], [(0, 0), (0, 0), (0, 3)], constant_values=MASKED)
    softmaxes = [np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in logits]
    expected = np.log(np.mean(softmaxes, axis=0))
    np.testing.assert_allclose(output(modality, logits[0], filled), expected, atol=1e-5)
    np.testing.assert_allclose(output(modality, filled, logits[0]), expected, atol=1e-5)


def test_numbers_are_averaged():
    numbers = [random(seed, 2, 1, 3) for seed in range(3)]
    expected = np.mean(numbers, axis=0)
    np.testing.assert_allclose(output("real_l2", *numbers), expected, atol=1e-6)
