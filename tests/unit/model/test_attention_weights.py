"""Recorded attention weights against the outputs of the layers."""

import keras
import numpy as np
import pytest

from t2tlite.config import HParams, ProblemHParams
from t2tlite.model import attention_weights
from t2tlite.model.transformer import Transformer, TransformerEncoder

V, H = 13, 4
SHAPES = {"encoder": (2, 5, 5), "decoder": (3, 6, 6), "cross": (3, 6, 5)}


def make(model, names, **values):
    hparams = HParams(
        hidden_size=16,
        num_heads=H,
        filter_size=32,
        num_encoder_layers=2,
        num_decoder_layers=3,
        attention_dropout=0.5,
        **values,
    )
    kind = "class_label" if model is TransformerEncoder else "symbol"
    keras.utils.set_random_seed(1)
    made = model(hparams, ProblemHParams(dict.fromkeys(names, V), modality={"targets": kind}))
    made({name: np.ones((1, 3), np.int32) for name in names})
    return made


def ids(seed, *shape):
    return np.random.default_rng(seed).integers(2, V, shape).astype(np.int32)


@pytest.fixture(scope="module")
def both_sides():
    network = make(Transformer, ["inputs", "targets"])
    features = {"inputs": ids(1, 2, 5), "targets": ids(2, 2, 6)}
    features["inputs"][1, 3:] = 0
    weights = network.attention_weights(features)
    return network, features, {kind: np.array(found) for kind, found in weights.items()}


def test_the_weights_of_every_layer_and_head_sum_to_one(both_sides):
    _, _, weights = both_sides
    assert {kind: found.shape for kind, found in weights.items()} == {
        kind: (2, layers, H, queries, keys) for kind, (layers, queries, keys) in SHAPES.items()
    }
    for found in weights.values():
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.sum(-1), 1.0, rtol=1e-5)
        assert (found >= 0).all()
        # No two layers or heads have the same weights.
        flat = found[0].reshape(-1, found[0].shape[-2] * found[0].shape[-1])
        assert len(np.unique(flat.round(6), axis=0)) == len(flat)


def test_padding_and_later_targets_have_no_weight(both_sides):
    _, _, weights = both_sides
    assert (weights["encoder"][1, ..., 3:] == 0).all()
    assert (weights["cross"][1, ..., 3:] == 0).all()
    assert (weights["cross"][0] > 0).all()
    later = np.triu(np.ones((6, 6), bool), 1)
    assert (weights["decoder"][..., later] == 0).all()
    assert (weights["decoder"][..., ~later] > 0).all()


def test_the_weights_give_the_output_of_the_layer(both_sides):
    network, features, weights = both_sides
    block = network.decoder.blocks[0]
    layer = block.cross_attention
    memory, bias = network.encode(features)
    keys, values = layer.keys_values(memory)
    queries = np.random.default_rng(3).normal(size=(2, 6, 16)).astype("float32")
    with attention_weights.recording() as recorded:
        mixed = layer(queries, (keys, values), bias)
    found = np.array(recorded[layer][0])
    mean = np.einsum("bhqk,bhkd->bqhd", found, np.array(values)).reshape(2, 6, 16)
    expected = mean @ np.array(layer.output_transform.kernel)
    np.testing.assert_allclose(np.array(mixed), expected, rtol=1e-4, atol=1e-5)


def test_nothing_is_recorded_outside_of_recording(both_sides):
    network, features, weights = both_sides
    logits = np.array(network(features))
    with attention_weights.recording() as recorded:
        recording = np.array(network(features))
    np.testing.assert_array_equal(logits, recording)
    assert len(recorded) == 2 + 2 * 3
    recorded.clear()
    network(features)
    assert recorded == {}


def test_a_language_model_and_a_classifier_have_one_kind():
    features = {"inputs": ids(1, 2, 5), "targets": ids(2, 2, 6)}
    language_model = make(Transformer, ["targets"])
    found = language_model.attention_weights({"targets": features["targets"]})
    assert {kind: tuple(one.shape) for kind, one in found.items()} == {"decoder": (2, 3, H, 6, 6)}
    classifier = make(TransformerEncoder, ["inputs", "targets"])
    found = classifier.attention_weights({**features, "targets": ids(2, 2, 1)})
    assert {kind: tuple(one.shape) for kind, one in found.items()} == {"encoder": (2, 2, H, 5, 5)}


def test_bfloat16_sums_to_one_as_well():
    network = make(Transformer, ["inputs", "targets"], activation_dtype="bfloat16")
    found = network.attention_weights({"inputs": ids(1, 2, 5), "targets": ids(2, 2, 6)})
    for one in found.values():
        np.testing.assert_allclose(np.array(one).sum(-1), 1.0, rtol=1e-5)
