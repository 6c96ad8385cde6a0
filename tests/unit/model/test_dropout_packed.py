"""Dropout of packed rows whose positions share a mask."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite import registry
from t2tlite.config import ProblemHParams
from t2tlite.model.dropout import Dropout, packed
from t2tlite.model.transformer import Transformer

# Three examples and padding, then one example that fills its row.
EXAMPLES = np.array([[1, 1, 1, 2, 2, 3, 0], [1] * 7], np.int32)
WIDTH = 400
STARTS = [(0, 0), (0, 3), (0, 5), (0, 6), (1, 0)]


def dropped(axes, examples=EXAMPLES, traced=False, rate=0.3):
    """Returns which values of ones a new layer drops, [2, 7, 400]."""
    hparams = SimpleNamespace(
        layer_prepostprocess_dropout=rate, layer_prepostprocess_dropout_broadcast_dims=axes
    )
    layer = Dropout("layer_prepostprocess_dropout", hparams, keras.random.SeedGenerator(5))

    def run(ones, examples):
        with packed(examples):
            return layer(ones, training=True)

    if traced and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        any_size = tf.TensorSpec([None, None, WIDTH]), tf.TensorSpec([None, None], tf.int32)
        run = tf.function(run, input_signature=any_size)
    elif traced:
        import jax

        run = jax.jit(run)
    values = np.asarray(run(ops.ones((2, 7, WIDTH)), examples))
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / (1 - rate))}
    return values == 0


@pytest.mark.parametrize("axes", ["1", "-2"])
@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_each_example_has_its_own_mask(axes, traced, rate):
    mask = dropped(axes, traced=traced, rate=rate)
    for row, start in STARTS:
        same = EXAMPLES[row] == EXAMPLES[row, start]
        assert (mask[row, same] == mask[row, start]).all()
    assert len({mask[at].tobytes() for at in STARTS}) == len(STARTS)


def test_the_masks_of_examples_are_independent():
    masks = np.stack([dropped("1")[at] for at in STARTS])
    deviation = (0.3 * 0.7 / masks.size) ** 0.5
    assert abs(masks.mean() - 0.3) < 5 * deviation
    both = (masks[1:] & masks[:-1]).mean()
    assert abs(both - 0.09) < 5 * (0.09 * 0.91 / masks[1:].size) ** 0.5


@pytest.mark.parametrize("axes", ["", "0", "0,1", "2"])
def test_other_axes_are_shared_as_without_packing(axes):
    assert (dropped(axes) == dropped(axes, None)).all()


def test_rows_of_one_example_share_the_mask_of_their_positions():
    mask = dropped("1", None)
    assert (mask == mask[:, :1]).all() and (mask[0] != mask[1]).any()


def test_one_value_for_all_of_an_example():
    values = [bool(dropped("1,2", rate=0.5)[at][0]) for at in STARTS]
    assert dropped("1,2", rate=0.5).shape == (2, 7, WIDTH) and len(set(values)) == 2


@pytest.mark.parametrize("block", ["t2t", "modern"])
def test_examples_of_a_row_train_with_other_masks(block):
    """A row that holds the same example twice."""
    hparams = registry.hparams(
        "transformer_modern_tiny" if block == "modern" else "transformer_tiny"
    )
    hparams = hparams.override(
        "hidden_size=16,filter_size=24,num_heads=2,num_hidden_layers=1,attention_dropout=0,"
        "relu_dropout=0,layer_prepostprocess_dropout=0.4,"
        "layer_prepostprocess_dropout_broadcast_dims=1"
    )
    sizes = {"inputs": 11, "targets": 11}
    model = Transformer(hparams, ProblemHParams(sizes, modality={"targets": "symbol"}))
    model.build()
    features = {
        **dict.fromkeys(("inputs", "targets"), np.array([[5, 6, 5, 6]], np.int32)),
        **dict.fromkeys(
            ("inputs_segmentation", "targets_segmentation"), np.array([[1, 1, 2, 2]], np.int32)
        ),
        **dict.fromkeys(
            ("inputs_position", "targets_position"), np.array([[0, 1, 0, 1]], np.int32)
        ),
    }
    quiet, encoded = np.asarray(model(features)), np.asarray(model.encode(features)[0])
    np.testing.assert_allclose(quiet[:, :2], quiet[:, 2:], atol=1e-5)
    np.testing.assert_allclose(encoded[:, :2], encoded[:, 2:], atol=1e-5)
    noisy = np.asarray(model(features, training=True))
    encoded = np.asarray(model.encode(features, training=True)[0])
    assert np.abs(noisy[:, :2] - noisy[:, 2:]).max() > 1e-2
    assert np.abs(encoded[:, :2] - encoded[:, 2:]).max() > 1e-2
