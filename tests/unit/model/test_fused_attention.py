"""Attention in one kernel: the same numbers, and when it is used. The kernel itself needs a GPU."""

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite.config import HParams
from t2tlite.model import attention_weights, fused_attention, layers
from t2tlite.model.relative_attention import RelativeAttention

B, H, Q, K, D = 3, 2, 6, 6, 8
IDS = np.array([[5, 6, 7, 8, 0, 0], [5, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
# Two examples and padding; one example; padding alone.
SEGMENTS = np.array([[1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]])
OTHER = np.array([[1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2], [1, 2, 3, 4, 5, 6]])
BIASES = {
    "padding, a row of which is masked as a whole": lambda: layers.padding_bias(IDS),
    "causal": lambda: layers.causal_bias(Q),
    "packed": lambda: ops.minimum(layers.segment_bias(SEGMENTS, SEGMENTS), layers.causal_bias(Q)),
    "packed, queries without keys": lambda: layers.segment_bias(SEGMENTS, OTHER),
}


def products(queries, keys, values, bias):
    logits = ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2))) + bias
    return ops.matmul(ops.softmax(logits), values)


@pytest.mark.parametrize("kind", BIASES)
def test_values_and_gradients_are_those_of_the_products(gradients, kind):
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=(B, H, length, D)).astype("float32") for length in (Q, K, K)]
    weights = draw.normal(size=(B, H, Q, D)).astype("float32")
    bias = BIASES[kind]()

    def fused(*arrays):
        mixed = fused_attention.dot_product_attention(*arrays, bias, flash_attention=False)
        return ops.sum(mixed * weights)

    def unfused(*arrays):
        return ops.sum(products(*arrays, bias) * weights)

    value, found = gradients(fused, *arrays)
    expected_value, expected = gradients(unfused, *arrays)
    assert value == pytest.approx(expected_value, rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.fixture
def kernel(monkeypatch):
    """A list of the calls of a kernel that is there, or raises the error in it."""
    calls = []

    def run(queries, keys, values, bias):
        calls.append(queries.shape)
        if isinstance(calls[0], Exception):
            raise calls[0]
        return products(queries, keys, values, ops.cast(bias, queries.dtype))

    monkeypatch.setattr(fused_attention, "_is_available", lambda: True)
    monkeypatch.setattr(fused_attention, "LEAST_KEYS", 4)
    monkeypatch.setattr(fused_attention, "dot_product_attention", run)
    return calls


def attend(
    kind=layers.Attention, dropout=0.0, dtype="mixed_bfloat16", length=6, queries=6, values=0,
    training=False,
):  # fmt: skip
    """The output of an attention layer for the first queries."""
    hparams = HParams(hidden_size=16, num_heads=2, attention_dropout=dropout)
    hparams.max_relative_position = 4
    hparams.attention_value_channels = values
    keras.utils.set_random_seed(1)
    layer = kind(hparams, keras.random.SeedGenerator(0), dtype=dtype)
    for part in layer._flatten_layers(include_self=False):
        part.dtype_policy = keras.DTypePolicy(dtype)
    layer.build((None, None, 16))
    x = np.random.default_rng(2).normal(size=(2, length, 16)).astype("float32")
    bias = layers.causal_bias(length)[:, :, :queries]
    mixed = layer(x[:, :queries], layer.keys_values(x), bias, training=training)
    return np.array(ops.cast(mixed, "float32"))


@pytest.mark.parametrize(
    ("options", "is_used"),
    [
        ({}, True),
        ({"training": True}, True),
        ({"dropout": 0.1}, True),
        ({"dropout": 0.1, "training": True}, False),
        ({"dtype": "float32"}, False),
        ({"queries": 1}, False),
        ({"length": 3}, False),
        ({"length": 5}, True),
        ({"length": 5, "training": True}, False),
        ({"values": 32}, False),
        ({"kind": RelativeAttention}, False),
    ],
)
def test_when_the_kernel_is_used(kernel, options, is_used):
    attend(**options)
    assert bool(kernel) is is_used


def test_output_is_the_same(kernel, monkeypatch):
    found = attend()
    assert kernel
    monkeypatch.setattr(fused_attention, "_is_available", lambda: False)
    np.testing.assert_allclose(found, attend(), atol=0.02)


def test_recorded_weights_need_the_products(kernel):
    with attention_weights.recording() as weights:
        attend()
    assert weights and not kernel


def test_products_where_the_kernel_fails(kernel, caplog):
    kernel.append(NotImplementedError("The head dim must be <= 128\nand more"))
    found = attend()
    attend()
    assert len(kernel) == 3
    assert caplog.messages == ["attention without cuDNN's kernel: The head dim must be <= 128"]
    del kernel[:]
    np.testing.assert_allclose(found, attend(), atol=0.02)


def test_there_is_no_kernel_on_a_cpu():
    assert not fused_attention._is_available()
