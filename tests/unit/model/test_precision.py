"""bfloat16 is for the products of training; everything else is float32."""

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite import registry
from t2tlite.config import ProblemHParams
from t2tlite.model import protocol
from t2tlite.model.layers import PrePostProcess
from t2tlite.model.precision import products_in_float32
from t2tlite.model.teacher_forcing import Scorer

SIDES = ("inputs", "targets")
V = 50
MODELS = [
    ("transformer", "transformer_relative_tiny"),
    ("universal_transformer", "adaptive_universal_transformer_tiny"),
    ("lstm_seq2seq_attention", "lstm_luong_attention"),
]
SMALL = {"hidden_size": 32, "filter_size": 64, "num_hidden_layers": 1}


def make(model, hparams_set, dtype, **values):
    hparams = registry.hparams(hparams_set).assign({**SMALL, "activation_dtype": dtype, **values})
    sizes = ProblemHParams(dict.fromkeys(SIDES, V), dict.fromkeys(SIDES, "symbol"))
    keras.utils.set_random_seed(1)
    network = registry.model(model)(hparams, sizes)
    protocol.build(network, sizes)
    return network


@pytest.fixture
def features():
    random = np.random.default_rng(0)
    return {name: random.integers(2, V, (3, 6)).astype("int32") for name in SIDES}


@pytest.mark.parametrize(("model", "hparams_set"), MODELS)
def test_a_model_that_trains_in_bfloat16_is_evaluated_in_float32(model, hparams_set, features):
    wide, half = (make(model, hparams_set, dtype) for dtype in ("float32", "bfloat16"))
    before = np.array(half(features))
    assert np.abs(before - np.array(wide(features))).max() > 0
    losses = [
        Scorer(network, "symbol", lambda x: x).predict_on_batch(features)["loss"]
        for network in (wide, half)
    ]
    np.testing.assert_array_equal(*losses)
    # It still trains in bfloat16.
    np.testing.assert_array_equal(before, np.array(half(features)))
    with pytest.raises(KeyError), products_in_float32(half):
        assert half.compute_dtype == "float32"
        raise KeyError
    assert half.compute_dtype == "bfloat16"


def test_norms_compute_their_statistics_in_float32():
    norm = PrePostProcess("n", registry.hparams("transformer_tiny"), None, dtype="mixed_bfloat16")
    norm.norm.dtype_policy = "mixed_bfloat16"
    norm.build((None, None, 3))
    # In bfloat16 the squares of these numbers are equal.
    x = np.array([[[300.0, 302.0, 304.0]]], "float32")
    found = np.array(ops.cast(norm.norm(ops.cast(x, "bfloat16")), "float32"))
    np.testing.assert_allclose(found, [[[-1.2247, 0, 1.2247]]], atol=0.01)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradients_of_a_frequent_token_are_summed_in_float32(gradients, dtype):
    """In bfloat16 a sum of ones stops at 256."""
    network = make("transformer", "transformer_tiny", dtype, multiply_embedding_mode="none")
    embedding = network.target_embedding
    ids = np.full((1, 1000), 7, "int32")

    def total(table):
        embedding_of = keras.StatelessScope(state_mapping=[(embedding.weight_VD, table)])
        with embedding_of:
            return ops.sum(ops.cast(embedding(ids), "float32"))

    _, (gradient,) = gradients(total, np.array(embedding.weight_VD))
    np.testing.assert_array_equal(gradient[7], 1000.0)


def test_weights_slots_logits_and_loss_are_float32(features):
    from t2tlite.optimizers.optimizers import make_optimizer
    from t2tlite.training.objective import Objective

    losses = []

    class Kept(Objective):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            losses.append(super().compute_loss(x, y, y_pred, sample_weight, training))
            return losses[-1]

    network = make("transformer", "transformer_tiny", "bfloat16")
    sizes = ProblemHParams(dict.fromkeys(SIDES, V), dict.fromkeys(SIDES, "symbol"))
    objective = Kept(network, network.hparams, sizes, lambda x: x)
    objective.compile(optimizer=make_optimizer(network.hparams, 10))
    objective.fit(features, batch_size=3, verbose=0)
    assert {keras.backend.standardize_dtype(loss.dtype) for loss in losses} == {"float32"}
    variables = [*network.weights, *objective.optimizer.variables]
    kept = {v.dtype for v in variables if "float" in keras.backend.standardize_dtype(v.dtype)}
    assert kept == {"float32"} and len(variables) > 50
    assert keras.backend.standardize_dtype(network(features).dtype) == "float32"
    assert keras.backend.standardize_dtype(network.hidden(features).dtype) == "bfloat16"
