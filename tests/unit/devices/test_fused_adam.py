"""Adam in one operation."""

import keras
import numpy as np
import pytest

from t2tlite.config import HParams
from t2tlite.devices.devices import Devices
from t2tlite.optimizers.optimizers import make_optimizer

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")


def test_it_is_keras_adam():
    """Also with a gradient of some rows only, and after other steps than the first.

    It computes 1 - 0.997 in float32, as T2T did, which is 7e-6 less exact than Keras's constant.
    """
    hparams = HParams(learning_rate_schedule="constant", learning_rate_constant=0.1)
    device = Devices("tensorflow", "CPU", 1)
    optimizers = [make_optimizer(hparams, 9, fused_adam=f) for f in (None, device.fused_adam)]
    draw = np.random.default_rng(0)
    start = draw.standard_normal((5, 3)).astype("float32")
    weights = [keras.Variable(start, name="weight") for _ in optimizers]
    for _ in range(3):
        dense = tf.constant(draw.standard_normal((5, 3)), "float32")
        rows = tf.IndexedSlices(dense[:2], tf.constant([4, 1]), tf.constant([5, 3]))
        for gradient in (dense, rows):
            for optimizer, weight in zip(optimizers, weights, strict=True):
                optimizer.apply([gradient], [weight])
            np.testing.assert_allclose(*(weight.numpy() for weight in weights), atol=1e-5)
    slots = [{v.path: v.numpy() for v in optimizer.variables} for optimizer in optimizers]
    assert slots[0].keys() == slots[1].keys()
    for name, value in slots[0].items():
        np.testing.assert_allclose(slots[1][name], value, rtol=3e-5, atol=1e-7, err_msg=name)
    assert np.abs(weights[1].numpy() - start).min() > 0.01


def test_jax_has_none():
    assert Devices("jax", "CPU", 1).fused_adam is None
