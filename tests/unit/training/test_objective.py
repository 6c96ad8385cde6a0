"""The loss that training minimises, its gradients, and moving averages of the weights."""

import keras
import numpy as np
import pytest

from t2tlite.checkpoint import checkpoints
from t2tlite.config import HParams, ProblemHParams
from t2tlite.model.losses import cross_entropy
from t2tlite.model.optimizers import make_optimizer
from t2tlite.training.objective import Objective, Totals

TARGETS = np.array([[3, 4, 1, 0], [5, 1, 0, 0]], np.int32)


class Plain(keras.Model):
    """Hides the last layer of a network, so that the loss gets the logits of a whole batch."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, features, training=False):
        return self.network(features, training=training)


def loss(network, elsewhere=0.0, **problem):
    """Returns the loss of TARGETS, and the sums, to each of which other devices add `elsewhere`."""
    problem_hparams = ProblemHParams({"targets": 11}, {"targets": "symbol"}, **problem)
    hparams = HParams(label_smoothing=0.1)
    objective = Objective(network, hparams, problem_hparams, lambda sums: sums + elsewhere)
    objective.compile(optimizer=keras.optimizers.SGD(0.0), jit_compile=False)
    batch = {"targets": TARGETS, "waited": np.array([0.25, 0.5], "float32")}
    sums = Totals.read(objective.train_on_batch(batch, return_dict=True))
    tracked = {metric.name: metric for metric in objective.metrics}
    return float(tracked["loss"].result()), sums


def test_the_mean_over_all_target_tokens(make_model):
    drops = ["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"]
    network, _ = make_model(**dict.fromkeys(drops, 0.0))
    logits = network({"targets": TARGETS})
    losses = np.array(cross_entropy(logits, TARGETS, 0.1))
    total = losses[TARGETS > 0].sum()
    value, sums = loss(network)
    assert value == pytest.approx(total / 5, rel=1e-5)
    expected = {"tokens": 5, "slots": 8, "loss": total, "waited": 0.75, "stops": 0}
    assert sums == pytest.approx({**expected, "finite_steps": 1}, rel=1e-5)
    assert loss(Plain(network))[0] == pytest.approx(value, rel=1e-5)
    assert loss(network, loss_multiplier=3.0)[0] == pytest.approx(3 * value, rel=1e-5)
    # Another device with 5 tokens: the two devices' losses add up to the mean over both.
    assert loss(network, elsewhere=5.0)[0] == pytest.approx(value / 2, rel=1e-5)


def test_a_subclass_that_overrides_call_alone_trains_what_it_evaluates(make_model):
    from t2tlite.model.transformer import Transformer

    class Reversed(Transformer):
        def call(self, features, training=False):
            return super().call(features, training)[..., ::-1]

    drops = ["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"]
    network, _ = make_model(**dict.fromkeys(drops, 0.0))
    plain = loss(network)[0]
    network.__class__ = Reversed
    losses = np.array(cross_entropy(network({"targets": TARGETS}), TARGETS, 0.1))
    value, _ = loss(network)
    assert value == pytest.approx(losses[TARGETS > 0].sum() / 5, rel=1e-5)
    assert value != pytest.approx(plain, rel=1e-2)


def gradients(model, batch):
    """Returns how one step of plain gradient descent changes each weight."""
    problem_hparams = ProblemHParams(dict.fromkeys(model.vocab_size, 11), {"targets": "symbol"})
    objective = Objective(model, HParams(label_smoothing=0.1), problem_hparams, lambda sums: sums)
    objective.compile(optimizer=keras.optimizers.SGD(1.0), jit_compile=False)
    before = {weight.path: np.array(weight.numpy()) for weight in model.weights}
    loss = Totals.read(objective.train_on_batch(batch, return_dict=True))["loss"]
    return loss, {weight.path: weight.numpy() - before[weight.path] for weight in model.weights}


def test_packed_examples_train_as_unpacked_ones(make_model):
    drops = ["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"]
    lengths = {"inputs": [3, 5, 2, 4], "targets": [4, 2, 3, 5]}
    draw = np.random.default_rng(3)
    unpacked, packed = {}, {}
    for name, counts in lengths.items():
        texts = [[*draw.integers(2, 11, count - 1), 1] for count in counts]
        rows = [text + [0] * (5 - len(text)) for text in texts]
        unpacked[name] = np.array(rows, np.int32)
        # Two examples a row, and a last position of padding.
        values = {"": lambda i, token: token, "_segmentation": lambda i, token: i % 2 + 1}
        for key, value in values.items():
            filled = [[value(i, token) for token in text] for i, text in enumerate(texts)]
            pairs = [filled[0] + filled[1], filled[2] + filled[3]]
            packed[name + key] = np.array([row + [0] * (9 - len(row)) for row in pairs], np.int32)
        positions = [list(range(count)) for count in counts]
        pairs = [positions[0] + positions[1], positions[2] + positions[3]]
        padded = [row + [0] * (9 - len(row)) for row in pairs]
        packed[f"{name}_position"] = np.array(padded, np.int32)

    def trained(batch):
        model, _ = make_model(features=("inputs", "targets"), **dict.fromkeys(drops, 0.0))
        return gradients(model, batch)

    loss, expected = trained(unpacked)
    packed_loss, packed_gradients = trained(packed)
    assert packed_loss == pytest.approx(loss, rel=1e-5)
    for name, value in expected.items():
        gradient = packed_gradients[name]
        np.testing.assert_allclose(gradient, value, rtol=1e-3, atol=2e-6, err_msg=name)
    # A wrong segment id changes the loss.
    packed["targets_segmentation"][0, 3] = 2
    assert trained(packed)[0] != pytest.approx(loss, rel=1e-4)


def test_moving_averages_of_the_weights(make_model):
    model, _ = make_model(ema_decay=0.75)
    problem_hparams = ProblemHParams({"targets": 11}, {"targets": "symbol"})
    objective = Objective(model, model.hparams, problem_hparams, lambda sums: sums)
    optimizer = make_optimizer(model.hparams, 100)
    objective.compile(optimizer=optimizer, jit_compile=False)
    optimizer.build(model.trainable_variables)
    name = model.weights[0].path
    expected = None
    for _ in range(3):
        objective.train_on_batch({"targets": TARGETS})
        now = np.array(model.weights[0].numpy())
        expected = now if expected is None else 0.75 * expected + 0.25 * now
    averages = checkpoints.weights(model, optimizer)
    np.testing.assert_allclose(averages[name], expected, rtol=1e-5)
    assert not np.allclose(expected, now, rtol=1e-5)
    with checkpoints.averaged(model, optimizer):
        np.testing.assert_array_equal(model.weights[0].numpy(), averages[name])
    np.testing.assert_array_equal(model.weights[0].numpy(), now)
