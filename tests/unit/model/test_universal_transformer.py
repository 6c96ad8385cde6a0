"""What only the universal Transformer does; test_transformer.py tests the rest."""

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import HParamsError
from t2tlite.model.stacks import Stack
from t2tlite.model.universal_transformer import (
    RecurrentStack,
    UniversalTransformer,
    UniversalTransformerEncoder,
)
from t2tlite.training.objective import Objective

V, D = 13, 8
EXTRA = registry.hparams("universal_transformer_tiny").extra
TINY = {"hidden_size": D, "num_heads": 2, "filter_size": 12, "pos": "none"}
CALM = dict.fromkeys(["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"], 0.0)
PROBLEM = ProblemHParams({"inputs": V, "targets": V}, modality={"targets": "symbol"})
FEATURES = {
    name: np.random.default_rng(seed).integers(2, V, (2, 4)).astype(np.int32)
    for seed, name in enumerate(["inputs", "targets"])
}
SILENT = {"add_position_timing_signal": False, "add_step_timing_signal": False}
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def hparams_of(**values):
    return HParams(**TINY, **CALM, extra={**EXTRA, **values})


def stack_of(**values):
    made = RecurrentStack(hparams_of(**values), keras.random.SeedGenerator(1), cross=False)
    made.build((None, None, D))
    return made


def states(seed=0):
    return np.random.default_rng(seed).normal(size=(2, 4, D)).astype("float32")


NO_BIAS = np.zeros((1, 1, 1, 4), "float32")


def test_is_a_stack_of_the_same_layer():
    recurrent = stack_of(num_rec_steps=3, **SILENT)
    plain = Stack(3, hparams_of(), keras.random.SeedGenerator(1), cross=False)
    plain.build((None, None, D))
    (block,) = recurrent.blocks
    for other in plain.blocks:
        other.set_weights(block.get_weights())
    x, positions = states(), np.arange(4)
    found = recurrent(x, NO_BIAS, positions)
    np.testing.assert_allclose(found, plain(x, NO_BIAS, positions), **CLOSE)


@pytest.mark.parametrize("kind", ["learned", "sinusoid"])
def test_signals(kind):
    stack = stack_of(step_timing_signal_type=kind, num_rec_steps=5)
    x, positions = states(), np.array([[0, 1, 2, 3], [0, 1, 0, 1]])

    def waves(places):
        angles = np.asarray(places)[..., None] * 1e4 ** -(np.arange(D // 2) / (D // 2 - 1))
        return np.concatenate([np.sin(angles), np.cos(angles)], -1)

    own = stack.step_signals_SD.numpy()[2] * D**0.5 if kind == "learned" else waves(2)
    found = stack.add_signals(ops.convert_to_tensor(x), 2, ops.convert_to_tensor(positions))
    np.testing.assert_allclose(found, x + waves(positions) + own, **CLOSE)


def test_more_runs_need_no_more_weights():
    few, many = (stack_of(num_rec_steps=n, step_timing_signal_type="sinusoid") for n in (1, 6))
    assert few.count_params() == many.count_params()
    assert np.abs(np.array(few(states(), NO_BIAS, np.arange(4)))
                  - np.array(many(states(), NO_BIAS, np.arange(4)))).max() > 1e-2  # fmt: skip


def test_adaptive_computation_time():
    stack = stack_of(recurrence_type="act", act_max_steps=4, **SILENT)
    kernel = np.random.default_rng(1).normal(0, 1.5, D)
    kernel -= kernel.mean()
    stack.halting.kernel.assign(kernel[:, None])
    stack.halting.bias.assign([-1.0])
    x = states()
    found = stack._run_adaptive(ops.convert_to_tensor(x), np.arange(4), lambda x: x * 0.5 + 1, True)
    expected, cost, ends = np.zeros_like(x), [], []
    for place in np.ndindex(2, 4):
        state, spent, mean = x[place], 0.0, np.zeros(D)
        for run in range(1, 5):  # noqa: B007 - read after the loop
            p = 1 / (1 + np.exp(-(state @ kernel - 1)))
            state = state * 0.5 + 1
            last = spent + p > 0.99
            share = 1 - spent if last else p
            spent += share
            mean = state * share + mean * (1 - share)
            if last:
                break
        ends.append(run if last else None)
        cost.append(run + (share if last else 0))
        expected[place] = mean
    # Some were done early, some never.
    assert None in ends and len(set(ends)) > 2
    np.testing.assert_allclose(found, expected, **CLOSE)
    np.testing.assert_allclose(stack.losses, [0.01 * np.mean(cost)], **CLOSE)


def test_the_loss_includes_the_runs():
    def loss(weight):
        hparams = hparams_of(recurrence_type="act", act_loss_weight=weight, act_max_steps=2)
        keras.utils.set_random_seed(1)
        network = UniversalTransformer(hparams, PROBLEM)
        network(FEATURES)
        assert not network.losses
        objective = Objective(network, hparams, PROBLEM, lambda sums: sums)
        objective.batch_loss.projects = False  # which TensorFlow can't without a graph
        predicted = objective(FEATURES, training=True)
        features = {name: ops.convert_to_tensor(value) for name, value in FEATURES.items()}
        found = objective.compute_loss(features, None, predicted)
        return float(found), [float(one) for one in network.losses]

    (free, none), (dear, added) = loss(0.0), loss(0.5)
    assert not none and len(added) == 2
    # Two runs at most, and a remainder.
    assert all(0.5 < one < 1.5 for one in added)
    assert dear - free == pytest.approx(sum(added), rel=1e-4)


def test_every_weight_has_a_gradient(gradients):
    network = UniversalTransformer(hparams_of(recurrence_type="act", act_max_steps=2), PROBLEM)
    network(FEATURES)
    fixed = [one.value for one in network.non_trainable_variables]
    weights = network.trainable_variables

    def total(*values):
        logits, _ = network.stateless_call(list(values), fixed, FEATURES)
        return ops.sum(logits**2)

    _, found = gradients(total, *(one.numpy() for one in weights))
    for weight, gradient in zip(weights, found, strict=True):
        assert np.abs(gradient).max() > 1e-6, weight.path


def test_every_run_attends():
    network = UniversalTransformer(hparams_of(num_rec_steps=3), PROBLEM)
    found = network.attention_weights(FEATURES)
    assert {kind: tuple(one.shape) for kind, one in found.items()} == dict.fromkeys(
        ["encoder", "decoder", "cross"], (2, 3, 2, 4, 4)
    )
    runs = np.array(found["decoder"])
    assert np.abs(runs[:, 0] - runs[:, 2]).max() > 1e-3


def test_classifies():
    problem = ProblemHParams({"inputs": V, "targets": 3}, modality={"targets": "class_label"})
    network = UniversalTransformerEncoder(hparams_of(), problem)
    features = {"inputs": FEATURES["inputs"], "targets": FEATURES["targets"][:, :1]}
    assert network(features).shape == (2, 1, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"recurrence_type": "lstm"}, "^recurrence_type=lstm is not one of: basic, act$"),
        ({"add_sru": True}, "^add_sru=True is not supported; leave it at False$"),
        (
            {"mix_with_transformer": "before_ut"},
            "^mix_with_transformer=before_ut is not one of: None$",
        ),
        ({"num_rec_steps": 0}, "^num_rec_steps=0 is outside 1 to "),
        (
            {"recurrence_type": "act", "act_epsilon": 5.0},
            "^act_epsilon=5.0 is outside 1e-09 to 0.99999$",
        ),
    ],
)
def test_variants_that_do_not_exist(values, message):
    with pytest.raises(HParamsError, match=message):
        UniversalTransformer(hparams_of(**values), PROBLEM)


def test_what_the_recurrence_does_not_read_may_have_any_value():
    values = {"act_type": "random", "lstm_forget_bias": 0.0, "gate_ffn_layer": "dense_dropconnect"}
    assert UniversalTransformer(hparams_of(**values), PROBLEM).hparams.act_type == "random"


def test_positions_are_added_by_the_runs_or_by_the_model():
    for by_runs in (True, False):
        hparams = hparams_of(add_position_timing_signal=by_runs)
        hparams.pos = "timing"
        network = UniversalTransformer(hparams, PROBLEM)
        added = np.array(network.add_positions(ops.zeros((1, 3, D)), ops.arange(3)))
        assert added.any() != by_runs


def test_a_problem_of_the_other_kind_is_an_error_that_names_the_model():
    classes = ProblemHParams({"inputs": V, "targets": 3}, modality={"targets": "class_label"})
    with pytest.raises(HParamsError, match="--model=universal_transformer_encoder$"):
        UniversalTransformer(hparams_of(), classes)
    with pytest.raises(HParamsError, match="--model=universal_transformer$"):
        UniversalTransformerEncoder(hparams_of(), PROBLEM)


def test_a_set_of_another_model():
    with pytest.raises(HParamsError, match="needs the hparam recurrence_type, which is missing"):
        UniversalTransformer(HParams(), PROBLEM)
