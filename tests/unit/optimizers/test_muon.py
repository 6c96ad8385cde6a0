"""Muon against the published update, in NumPy, and which weights it takes."""

import keras
import numpy as np
import pytest

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import HParamsError
from t2tlite.model.protocol import build
from t2tlite.optimizers.muon import Muon, orthogonalize
from t2tlite.optimizers.optimizers import make_optimizer
from tests.unit.conftest import TINY

SHAPES = [(6, 4), (4, 6), (5, 5)]
# [[3, 1], [1, 2], [0, 4]] after five iterations.
GOLDEN = [[0.721109, 0.14784], [0.208681, 0.390744], [-0.076052, 0.819515]]


def newton_schulz(matrix):
    """The iteration of Keller Jordan's Muon, in float64, for a matrix of PyTorch: [out, in]."""
    x = matrix / np.linalg.norm(matrix)
    if x.shape[0] > x.shape[1]:
        return newton_schulz(matrix.T).T
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def reference(weight, gradients, rate, decay, momentum=0.95, cautious=False):
    """The weight after steps of Moonlight's Muon, in float64, for a matrix of PyTorch."""
    weight, average = weight.astype("float64"), 0.0
    for gradient in gradients.astype("float64"):
        # torch.optim.Muon: buffer.lerp_(gradient, 1 - momentum); gradient.lerp(buffer, momentum)
        average = average + (1 - momentum) * (gradient - average)
        update = newton_schulz(gradient + momentum * (average - gradient))
        update = update * 0.2 * max(weight.shape) ** 0.5
        kept = (update * weight >= 0) if cautious else 1.0
        weight = weight - rate * decay * kept * weight - rate * update
    return weight


def named(value, name="kernel"):
    return keras.Variable(np.asarray(value, "float32"), name=name)


def steps(optimizer, weight, gradients):
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [weight])
    return weight.numpy()


def draw(*shape):
    return np.random.default_rng(4).standard_normal(shape).astype("float32")


def test_the_published_numbers():
    matrix = np.array([[3, 1], [1, 2], [0, 4]], "float32")
    np.testing.assert_allclose(orthogonalize(matrix), GOLDEN, atol=2e-6)
    # Its scale doesn't matter, nor which side is longer.
    np.testing.assert_allclose(orthogonalize(1e-4 * matrix.T), np.transpose(GOLDEN), atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonalization(shape):
    matrix = draw(*shape)
    found = np.asarray(orthogonalize(matrix))
    left, values, right = np.linalg.svd(matrix.astype("float64"), full_matrices=False)
    values /= np.linalg.norm(values)
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    np.testing.assert_allclose(found, left * values @ right, atol=1e-5)
    assert 0.68 < values.min() <= values.max() < 1.21
    half = np.asarray(orthogonalize(matrix, "bfloat16"))
    np.testing.assert_allclose(half, found, atol=0.1)


def test_a_gradient_of_zeros_changes_nothing():
    np.testing.assert_array_equal(orthogonalize(np.zeros((3, 2), "float32")), np.zeros((3, 2)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cautious", [False, True])
def test_steps_are_those_of_the_reference(shape, cautious):
    start, gradients = draw(*shape), draw(4, *shape)
    hparams = HParams(optimizer="muon", weight_decay_cautious=cautious)
    weight = named(start)
    found = steps(Muon(hparams, learning_rate=0.1, weight_decay=0.5), weight, gradients)
    # Our matrices are [in, out], PyTorch's [out, in].
    transposed = np.swapaxes(gradients, 1, 2)
    expected = reference(start.T, transposed, 0.1, 0.5, cautious=cautious).T
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    other = reference(start.T, transposed, 0.1, 0.5, cautious=not cautious).T
    assert np.abs(found - other).max() > 1e-3


def test_hparams():
    start, gradients = draw(6, 4), draw(4, 6, 4)
    values = {"optimizer_muon_momentum": 0.5, "optimizer_muon_learning_rate_ratio": 3.0}
    optimizer = Muon(HParams(**values), learning_rate=0.1, weight_decay=0.5)
    found = steps(optimizer, named(start), gradients)
    expected = reference(start, gradients, 0.3, 0.5, momentum=0.5)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("shape", [(6, 4), (5,)])
def test_other_weights_are_adams(shape):
    values = {"learning_rate_schedule": "constant", "learning_rate_constant": 0.01}
    values |= {"optimizer_muon_learning_rate_ratio": 3.0, "weight_decay": 0.5}
    start, gradients = draw(*shape), draw(4, *shape)

    def trained(name, **changes):
        optimizer = make_optimizer(HParams(optimizer=name, **values | changes), 10)
        weights = [named(start, "embedding"), named(np.ones((2, 2)))]
        for gradient in gradients:
            both = [gradient, np.ones((2, 2), "float32")]
            optimizer.apply([keras.ops.convert_to_tensor(one) for one in both], weights)
        return weights[0].numpy()

    # Norms and biases don't decay.
    expected = trained("adam", weight_decay=0.5 if len(shape) > 1 else 0.0)
    np.testing.assert_allclose(trained("muon"), expected, rtol=1e-5)
    assert np.abs(start - expected).max() > 0.02


def taken(network, width, **values):
    """The paths of the weights that Muon updates."""
    optimizer = Muon(HParams(**{**TINY, **values}), width, learning_rate=0.1)
    optimizer.build(network.trainable_variables)
    pairs = zip(network.trainable_variables, optimizer._velocities, strict=True)
    return {variable.path for variable, velocity in pairs if velocity is None}


@pytest.mark.parametrize(
    ("model", "hparams_set", "classes"),
    [
        ("transformer", "transformer_relative", 0),
        ("universal_transformer", "adaptive_universal_transformer_base", 0),
        ("transformer_encoder", "transformer_tiny", 3),
        ("lstm_seq2seq_attention", "lstm_attention", 0),
    ],
)
def test_the_matrices_of_hidden_layers(model, hparams_set, classes):
    hparams = registry.hparams(hparams_set).assign({**TINY, "num_hidden_layers": 1})
    modalities = {"inputs": "symbol", "targets": "class_label" if classes else "symbol"}
    sizes = ProblemHParams({"inputs": 11, "targets": classes or 13}, modalities)
    network = registry.model(model)(hparams, sizes)
    build(network, sizes)
    found = taken(network, classes or 13)
    others = {variable.path for variable in network.trainable_variables} - found
    assert all(path.endswith("/kernel") for path in found)
    assert {path for path in others if path.endswith("kernel")} == {
        path for path in others if path.endswith(("classes/kernel", "halting/kernel"))
    }
    assert any("embedding" in path for path in others)
    if model == "transformer":
        assert "transformer/decoder/layer_0/self_attention/relative_keys" in others
        assert len(found) == 4 + 2 + 8 + 2


def test_an_output_layer_of_a_plugin():
    layers = [keras.layers.Dense(6), keras.layers.Dense(8), keras.layers.Dense(13)]
    network = keras.Sequential([keras.Input((13,)), *layers])
    kernels = [layer.kernel.path for layer in layers]
    assert taken(network, 13) == {kernels[1]}
    # Where hidden layers are as wide, a kernel can't be told apart.
    assert taken(network, 13, filter_size=13) == set(kernels)


@pytest.mark.parametrize(
    "values",
    [
        {"hidden_size": 24, "num_heads": 4, "extra": {"num_kv_heads": 2}},
        {"attention_key_channels": 12},
        {"attention_value_channels": 12},
        {"hidden_size": 3},  # an LSTM's gates
    ],
)
def test_a_vocabulary_may_be_as_large_as_a_hidden_layer_is_wide(values):
    layer = keras.layers.Dense(12)
    layer.build((1, 5))
    assert taken(layer, 12, **values) == {layer.kernel.path}


def test_tensors_of_more_axes_are_adams():
    attention = keras.layers.MultiHeadAttention(2, 4)
    attention.build((1, 3, 8), (1, 3, 8))
    with pytest.raises(HParamsError, match="optimizer=muon found no matrix of a hidden layer"):
        taken(attention, 13)


def test_slots_have_names_of_their_own():
    weights = [named(np.ones((3, 2)), f"{name}_kernel") for name in "ab"]
    weights += [named(np.ones(2), "bias")]
    optimizer = make_optimizer(HParams(optimizer="Muon"), 10)
    optimizer.build(weights)
    paths = [variable.path for variable in optimizer.variables if "learning" not in variable.path]
    assert sorted(paths) == [
        "muon/a_kernel_momentum",
        "muon/b_kernel_momentum",
        "muon/bias_momentum",
        "muon/bias_velocity",
        "muon/iteration",
    ]
