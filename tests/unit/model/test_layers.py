"""Layers against the formulas of the paper in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite.config import HParams
from t2tlite.model import layers

D, H, F = 8, 2, 12


@pytest.fixture
def hparams():
    return HParams(hidden_size=D, num_heads=H, filter_size=F)


@pytest.fixture
def seeds():
    return keras.random.SeedGenerator(0)


def random(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_sinusoids():
    found = np.array(layers.sinusoids(np.array([0, 3]), 6))
    rates = np.array([1, 1e-2, 1e-4])
    expected = [np.concatenate([np.sin(t * rates), np.cos(t * rates)]) for t in (0, 3)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert layers.sinusoids(np.zeros((2, 3)), 2).shape == (2, 3, 2)


@pytest.mark.parametrize("name", ["uniform_unit_scaling", "normal_unit_scaling", "orthogonal",
                                  "uniform", "normal"])  # fmt: skip
def test_initializers(name):
    values = np.array(
        layers.initializer(HParams(initializer=name, initializer_gain=2.0))((200, 300))
    )
    deviation = {
        "uniform_unit_scaling": (2 / 250) ** 0.5,
        "normal_unit_scaling": (2 / 250) ** 0.5,
        "orthogonal": 2 / 300**0.5,
        "uniform": 0.2 / 3**0.5,
        "normal": 2.0,
    }[name]
    assert values.std() == pytest.approx(deviation, rel=0.03)
    if "uniform" in name:
        assert np.abs(values).max() <= deviation * 3**0.5 * 1.001


class TestDropout:
    """Dropout with and without shared masks."""

    def drop(self, dims, training=True, rate=0.5):
        hparams = HParams(relu_dropout=rate, relu_dropout_broadcast_dims=dims)
        layer = layers.Dropout("relu_dropout", hparams, keras.random.SeedGenerator(1))
        return np.array(layer(np.ones((8, 9, 10), "float32"), training=training))

    def test_keeps_the_mean_and_drops_the_rate(self):
        dropped = self.drop("")
        assert set(np.unique(dropped)) == {0.0, 2.0}
        assert (dropped == 0).mean() == pytest.approx(0.5, abs=0.1)

    @pytest.mark.parametrize(("dims", "axes"), [("1", [1]), ("0, 1", [0, 1]), ("2", [2])])
    def test_broadcast_dims_share_a_mask(self, dims, axes):
        dropped = self.drop(dims)
        for axis in range(3):
            same = (dropped == dropped.take([0], axis)).all()
            assert same == (axis in axes)

    def test_not_without_training(self):
        assert (self.drop("", training=False) == 1).all()
        assert (self.drop("", rate=0.0) == 1).all()


class TestEmbedding:
    """Token embeddings and tied logits."""

    def test_vectors_are_scaled_and_zero_for_padding(self, hparams):
        layer = layers.Embedding(5, hparams)
        layer.build(None)
        found, table = np.array(layer(np.array([[3, 0]]))), layer.weight_VD.numpy()
        np.testing.assert_allclose(found[0, 0], table[3] * D**0.5, rtol=1e-6)
        assert not found[0, 1].any()
        hparams.multiply_embedding_mode = "none"
        plain = layers.Embedding(5, hparams)
        plain.build(None)
        np.testing.assert_allclose(plain(np.array([3]))[0], plain.weight_VD.numpy()[3])

    def test_initial_values(self):
        layer = layers.Embedding(2000, HParams(hidden_size=64))
        layer.build(None)
        assert layer.weight_VD.numpy().std() == pytest.approx(64**-0.5, rel=0.02)

    def test_rows_that_fill_up_are_no_tokens(self, hparams):
        hparams.vocab_divisor = 4
        layer = layers.Embedding(5, hparams)
        layer.build(None)
        hidden = random(0, 3, D)
        logits = np.array(layer.logits(ops.convert_to_tensor(hidden)))
        table = layer.weight_VD.numpy()
        assert (table.shape, logits.shape) == ((8, D), (3, 8))
        np.testing.assert_allclose(logits[:, :5], hidden @ table[:5].T, rtol=1e-4, atol=1e-5)
        assert (logits[:, 5:] < -1e8).all()


@pytest.mark.parametrize(("keys", "values"), [(0, 0), (4, 12)])
def test_attention(hparams, seeds, keys, values):
    hparams.attention_key_channels, hparams.attention_value_channels = keys, values
    layer = layers.Attention(hparams, seeds)
    layer.build((None, None, D))
    x, memory = random(1, 2, 3, D), random(2, 2, 4, D)
    bias = np.where(np.arange(4) == 2, layers.MASKED, 0).astype("float32").reshape(1, 1, 1, 4)
    found = layer(x, layer.keys_values(memory), bias)

    weights = {one.path.split("/")[-2]: one.numpy() for one in layer.weights}
    assert len(weights) == 4
    key_width, value_width = (keys or D) // H, (values or D) // H
    mixed = []
    for head in range(H):
        part = slice(head * key_width, (head + 1) * key_width)
        q, k = x @ weights["query"][:, part], memory @ weights["key"][:, part]
        share = softmax(q @ k.transpose(0, 2, 1) * key_width**-0.5 + bias[0])
        assert (share[..., 2] == 0).all()
        part = slice(head * value_width, (head + 1) * value_width)
        mixed.append(share @ (memory @ weights["value"][:, part]))
    expected = np.concatenate(mixed, -1) @ weights["output"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_feed_forward(hparams, seeds):
    layer = layers.FeedForward(hparams, seeds)
    layer.build((None, None, D))
    x = random(0, 2, 3, D)
    inner, inner_bias, outer, outer_bias = (np.array(one) for one in layer.get_weights())
    assert inner.shape == (D, F)
    layer.set_weights([inner, inner_bias + 0.1, outer, outer_bias - 0.2])
    expected = np.maximum(x @ inner + 0.1, 0) @ outer - 0.2
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sequence", ["none", "", "n", "da", "dan", "a"])
def test_pre_post_process(hparams, seeds, sequence):
    layer = layers.PrePostProcess(sequence, hparams, seeds)
    layer.build((None, None, D))
    x, previous = random(0, 2, 3, D), random(1, 2, 3, D)
    expected = x
    if "a" in sequence:
        expected = expected + previous
    if sequence.endswith("n") and sequence != "none":
        centred = expected - expected.mean(-1, keepdims=True)
        expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    np.testing.assert_allclose(layer(x, previous), expected, rtol=1e-4, atol=1e-5)
    dropped = np.array(layer(x, previous, training=True))
    assert np.allclose(dropped, expected, atol=1e-5) is ("d" not in sequence)
