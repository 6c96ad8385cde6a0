"""Inputs and targets as one sequence: ids, biases, loss positions, decoding with a cache."""

import keras
import numpy as np
import pytest

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import HParamsError
from t2tlite.model import prepend
from t2tlite.model.losses import token_weights
from t2tlite.model.transformer import Transformer
from t2tlite.model.universal_transformer import UniversalTransformer

V = 13
MASKED, FULL = "prepend_inputs_masked_attention", "prepend_inputs_full_attention"
INPUTS = np.array([[5, 6, 1, 0], [7, 1, 0, 0]], np.int32)
TARGETS = np.array([[8, 9, 1], [3, 1, 0]], np.int32)
JOINED = np.array([[5, 6, 1, 0, 8, 9, 1, 0], [7, 1, 0, 3, 1, 0, 0, 0]], np.int32)
# Both examples in one row.
PACKED = {
    "targets": np.array([[5, 6, 1, 0, 8, 9, 1, 7, 1, 0, 3, 1, 0, 0]], np.int32),
    "targets_segmentation": np.array([[1] * 7 + [2] * 5 + [0] * 2], np.int32),
    "targets_position": np.array([[0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 0, 0]], np.int32),
}
RECURRENT = registry.hparams("universal_transformer_tiny").extra


def make(mode, model=Transformer, sizes=None, **values):
    tiny = {"hidden_size": 16, "num_heads": 4, "filter_size": 32, "num_hidden_layers": 2}
    sizes = sizes or {"inputs": V, "targets": V}
    keras.utils.set_random_seed(1)
    problem = ProblemHParams(vocab_size=sizes, modality={"targets": "symbol"})
    network = model(HParams(**tiny, prepend_mode=mode, **values), problem)
    network({"inputs": INPUTS, "targets": TARGETS})
    return network


def test_joined_sequences():
    joined, at = prepend.join(INPUTS, TARGETS)
    assert np.array(joined).tolist() == JOINED.tolist()
    assert np.array(at).tolist() == [[4, 5, 6], [3, 4, 5]]


def test_the_bias_is_t2ts():
    """T2T counts paddings before a position, and masks keys of a higher running count."""
    bias = np.array(prepend.full_bias({"targets": JOINED}))[:, 0]
    # Inputs and separator see each other; a target sees them, the targets before it, and itself.
    expected = np.array(
        [
            [1, 1, 1, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 0, 0, 0, 0],
            [1, 1, 1, 1, 1, 0, 0, 0],
            [1, 1, 1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 1, 1, 1, 0],
            [1, 1, 1, 1, 1, 1, 1, 1],
        ]
    )
    assert (bias[0] == np.where(expected, 0, -1e9)).all()
    padding = (JOINED == 0).astype(int)
    counts = np.cumsum(np.cumsum(padding, axis=1) - padding, axis=1)
    assert (bias == np.where(counts[:, None] > counts[:, :, None], -1e9, 0)).all()


def test_what_counts():
    def weights(features, answers_only):
        return np.array(token_weights(features, "symbol", answers_only)).astype(int).tolist()

    assert weights({"targets": JOINED}, False) == (JOINED != 0).astype(int).tolist()
    answers = [[0, 0, 0, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 0, 0, 0]]
    assert weights({"targets": JOINED}, True) == answers
    assert weights(PACKED, True) == [[0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0]]


@pytest.mark.parametrize("mode", [MASKED, FULL])
def test_packed_examples_do_not_see_each_other(mode):
    network = make(mode)
    packed = np.array(network(PACKED))[0]
    apart = np.array(network({"targets": JOINED}))
    np.testing.assert_allclose(packed[:7], apart[0, :7], rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(packed[7:12], apart[1, :5], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("mode", [MASKED, FULL])
def test_which_positions_see_which(mode):
    network = make(mode)
    before = np.array(network({"targets": JOINED[:1]}))[0]
    changed = JOINED[:1].copy()
    changed[0, 1] = 4
    moved = np.abs(np.array(network({"targets": changed}))[0] - before).max(axis=1) > 1e-4
    # The second input is read at position 2; before it, only full attention shows it.
    assert moved.tolist() == [mode == FULL] * 2 + [True] * 6
    changed = JOINED[:1].copy()
    changed[0, 4] = 4
    moved = np.abs(np.array(network({"targets": changed}))[0] - before).max(axis=1) > 1e-4
    assert moved.tolist() == [False] * 5 + [True] * 3


VARIANTS = {
    "base": {},
    "no_positions": {"pos": "none"},
    "relative": {"self_attention_type": "dot_product_relative", "max_relative_position": 2},
    "universal": {"model": UniversalTransformer, "extra": {**RECURRENT, "num_rec_steps": 3}},
    "adaptive": {
        "model": UniversalTransformer,
        "extra": {**RECURRENT, "recurrence_type": "act", "act_halting_bias_init": -0.5},
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", [MASKED, FULL])
def test_decoding_gives_the_logits_of_the_whole_sequence(mode, variant):
    network = make(mode, **VARIANTS[variant])
    expected = np.array(network({"inputs": INPUTS, "targets": TARGETS}))
    joined = np.array(network({"targets": JOINED}))
    np.testing.assert_allclose(expected[0], joined[0, 4:7], rtol=1e-4, atol=2e-5)
    memory, cache = network.start({"inputs": INPUTS}, 3)
    previous = np.pad(TARGETS, [(0, 0), (1, 0)])
    for position in range(3):
        at = keras.ops.convert_to_tensor(position, "int32")
        ids = keras.ops.convert_to_tensor(previous[:, position])
        logits, cache = network.step(ids, at, memory, cache)
        np.testing.assert_allclose(logits, expected[:, position], rtol=1e-4, atol=2e-5)


def test_an_answer_does_not_depend_on_the_padding_of_its_line():
    network = make(FULL)
    wide = np.pad(INPUTS, [(0, 0), (0, 5)])
    for inputs in (INPUTS, wide):
        memory, cache = network.start({"inputs": inputs}, 2)
        zero = keras.ops.zeros((), "int32")
        logits, _ = network.step(keras.ops.zeros((2,), "int32"), zero, memory, cache)
        expected = np.array(network({"inputs": INPUTS, "targets": TARGETS}))[:, 0]
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=2e-5)


def test_problems_that_it_does_not_fit():
    with pytest.raises(HParamsError, match="needs a problem with inputs, and this one has none"):
        make(MASKED, sizes={"targets": V})
    with pytest.raises(HParamsError, match="the inputs have 20 ids and the targets 13; leave it"):
        make(FULL, sizes={"inputs": 20, "targets": V})


def test_there_is_no_encoder():
    network = make(MASKED)
    assert not network.has_inputs
    parts = {weight.path.split("/")[1] for weight in network.trainable_weights}
    assert parts == {"target_embedding", "decoder"}
