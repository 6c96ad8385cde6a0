"""The loss that training minimises, its gradients, and moving averages of the weights."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from t2tlite.checkpoint import checkpoints
from t2tlite.checkpoint.averages import averaged
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data.teacher import TEACHER_COSTS, TEACHER_IDS
from t2tlite.devices.devices import Devices
from t2tlite.devices.feeding import Feed
from t2tlite.errors import HParamsError
from t2tlite.model.losses import cross_entropy
from t2tlite.model.protocol import build
from t2tlite.model.transformer import Transformer
from t2tlite.optimizers.optimizers import make_optimizer
from t2tlite.training.batch_loss import BatchLoss
from t2tlite.training.objective import Objective, Totals
from tests.unit.conftest import TINY

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
    expected = {"weight": 5, "tokens": 5, "slots": 8, "loss": total, "waited": 0.75, "stops": 0}
    assert sums == pytest.approx({**expected, "finite_steps": 1}, rel=1e-5)
    assert loss(Plain(network))[0] == pytest.approx(value, rel=1e-5)
    # The table has 16 rows for 11 tokens; the logits of the others are -1e9.
    divided, _ = make_model(vocab_divisor=8, **dict.fromkeys(drops, 0.0))
    assert loss(Plain(divided))[0] == pytest.approx(loss(divided)[0], rel=1e-5)
    assert loss(divided)[0] < 10
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


@pytest.mark.parametrize("hides", [False, True])
def test_rdrop_compares_two_passes(make_model, hides):
    """Half of Liang et al.'s loss: -log p - log q + alpha (KL(p || q) + KL(q || p)) / 2."""
    network, _ = make_model(layer_prepostprocess_dropout=0.5, rdrop_alpha=3.0)
    model = Plain(network) if hides else network
    problem_hparams = ProblemHParams({"targets": 11}, {"targets": "symbol"})
    hparams = HParams(label_smoothing=0.1, rdrop_alpha=3.0)
    objective = Objective(model, hparams, problem_hparams, lambda sums: sums)
    objective.compile(optimizer=keras.optimizers.SGD(0.0), jit_compile=False)
    state = np.array(network.seed_generator.state.value)
    twice = {"targets": TARGETS.repeat(2, 0)}
    logits = network(twice, training=True)
    network.seed_generator.state.assign(state)
    sums = Totals.read(objective.train_on_batch({"targets": TARGETS}, return_dict=True))
    real = twice["targets"] > 0
    log_probs = np.log(np.array(keras.ops.softmax(logits), "float64"))[..., :11]
    first, second = log_probs[::2], log_probs[1::2]
    divergences = ((np.exp(first) - np.exp(second)) * (first - second)).sum(-1)
    losses = np.array(cross_entropy(logits, twice["targets"], 0.1, 11))
    expected = losses[real].sum() / 2 + 3.0 / 4 * divergences[real[::2]].sum()
    assert divergences[real[::2]].min() > 1e-3
    assert sums["loss"] == pytest.approx(expected, rel=1e-4)
    # Tokens and slots are those of the data.
    assert (sums["tokens"], sums["slots"]) == (5, 8)
    # Evaluation is one pass.
    assert objective({"targets": TARGETS}).shape[0] == 2


TEACHER = {
    TEACHER_IDS: np.arange(2 * 4 * 3).reshape(2, 4, 3).astype(np.int32) % 11,
    TEACHER_COSTS: (np.arange(2 * 4 * 3).reshape(2, 4, 3) * 97 % 3000 + 1200).astype(np.int32),
}


def teacher_costs(logits, features, temperature):
    """What a teacher adds to the loss, in float64; `SoftTargets` has the formula."""
    softmax = np.exp(np.array(logits, "float64"))
    softmax /= softmax.sum(-1, keepdims=True)
    picked = np.take_along_axis(softmax, features[TEACHER_IDS], -1)
    teacher = np.exp(features[TEACHER_COSTS] / -1024)
    kept, found = teacher.sum(-1), picked.sum(-1)
    teacher, mine = (each ** (1 / temperature) for each in (teacher, picked))
    teacher, mine = (each / each.sum(-1, keepdims=True) for each in (teacher, mine))
    among = -(teacher * np.log(mine)).sum(-1)
    events = kept * np.log(found) + (1 - kept) * np.log(1 - found)
    return temperature**2 * kept * among - events


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("rdrop_alpha", [0.0, 3.0])
def test_a_teachers_share_of_the_loss(make_model, hides, rdrop_alpha):
    drops = ["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"]
    network, _ = make_model(**dict.fromkeys(drops, 0.0))
    model = Plain(network) if hides else network
    problem_hparams = ProblemHParams({"targets": 11}, {"targets": "symbol"})
    values = {"task_balance": 0.25, "distill_temperature": 2.0, "rdrop_alpha": rdrop_alpha}
    objective = Objective(model, HParams(**values), problem_hparams, lambda sums: sums)
    objective.compile(optimizer=keras.optimizers.SGD(0.0), jit_compile=False)
    batch = {"targets": TARGETS, "targets_weight": (TARGETS > 0) * np.float32(0.5), **TEACHER}
    sums = Totals.read(objective.train_on_batch(batch, return_dict=True))
    soft = teacher_costs(network({"targets": TARGETS})[..., :11], TEACHER, 2)
    plain = np.array(cross_entropy(network({"targets": TARGETS}), TARGETS, 0.1, 11))
    expected = (0.25 * plain + 0.75 * soft)[TARGETS > 0].sum() / 2
    # Without dropout the two passes of R-Drop are equal.
    assert sums["loss"] == pytest.approx(expected, rel=1e-5)
    assert (sums["weight"], sums["tokens"]) == (2.5, 5)


def test_a_teacher_of_labels():
    hparams = HParams(task_balance=0.0)
    problem_hparams = ProblemHParams({"targets": 5}, {"targets": "class_label"})
    logits = np.random.default_rng(0).normal(size=(2, 1, 5)).astype("float32")
    loss = BatchLoss(None, hparams, problem_hparams, 1)
    features = {name: value[:, :1] for name, value in TEACHER.items()}
    features[TEACHER_IDS] = features[TEACHER_IDS] % 5
    found = loss.total({"targets": np.zeros((2, 1), np.int32), **features}, logits)
    expected = teacher_costs(logits, features, 1).sum()
    assert float(found) == pytest.approx(expected, rel=1e-5)
    numbers = ProblemHParams({"targets": 5}, {"targets": "real_l2"})
    with pytest.raises(HParamsError, match=r"task_balance=0\.0 compares probabilities"):
        BatchLoss(None, hparams, numbers, 1)


def test_rdrop_where_it_has_no_sense(make_model, caplog):
    drops = ["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"]
    hparams = HParams(rdrop_alpha=5.0)
    numbers = ProblemHParams({"targets": 11}, {"targets": "real_l2"})
    model, _ = make_model()
    with pytest.raises(HParamsError, match="rdrop_alpha=5.0 compares probabilities"):
        Objective(model, hparams, numbers, lambda sums: sums)
    symbols = ProblemHParams({"targets": 11}, {"targets": "symbol"})
    Objective(model, hparams, symbols, lambda sums: sums)
    assert not caplog.records
    shared = {f"{name}_broadcast_dims": "0" for name in drops}
    for values in (dict.fromkeys(drops, 0.0), shared):
        model, _ = make_model(**values)
        Objective(model, hparams, symbols, lambda sums: sums)
        assert "only doubles the work" in caplog.records.pop().getMessage()


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
    with averaged(model, optimizer):
        np.testing.assert_array_equal(model.weights[0].numpy(), averages[name])
    np.testing.assert_array_equal(model.weights[0].numpy(), now)


@pytest.mark.parametrize("accumulate", [0, 2])
def test_the_mean_of_the_last_updates(make_model, accumulate):
    """A quarter of 8 updates; before them the average is the weights."""
    rate = {"learning_rate_schedule": "constant", "learning_rate_constant": 0.1}
    model, _ = make_model(
        average_last_share=0.25,
        optimizer_multistep_accumulate_steps=accumulate,
        optimizer="sgd",
        **rate,
    )
    batches = max(accumulate, 1)
    problem_hparams = ProblemHParams({"targets": 11}, {"targets": "symbol"})
    objective = Objective(model, model.hparams, problem_hparams, lambda sums: sums)
    optimizer = make_optimizer(model.hparams, 8 * batches)
    objective.compile(optimizer=optimizer, jit_compile=False)
    optimizer.build(model.trainable_variables)
    name, weights, means = model.trainable_weights[0].path, [], []
    for step in range(1, 8 * batches + 1):
        objective.train_on_batch({"targets": TARGETS})
        if step % batches == 0:
            weights.append(np.array(model.trainable_weights[0].numpy()))
            means.append(checkpoints.weights(model, optimizer)[name])
            assert optimizer.averages_differ == (len(weights) == 8)
    for update in range(6):
        np.testing.assert_allclose(means[update], weights[update], atol=1e-7)
    np.testing.assert_allclose(means[6], weights[6], atol=1e-7)
    np.testing.assert_allclose(means[7], (weights[6] + weights[7]) / 2, atol=1e-7)
    assert not np.allclose(weights[7], weights[6], atol=1e-5)
    with pytest.raises(HParamsError, match="ema_decay=0.5 and average_last_share=0.25: one"):
        make_optimizer(HParams(ema_decay=0.5, average_last_share=0.25), 8)


OPTIMIZERS = [
    {"optimizer": "sgd"},
    {"optimizer": "adam", "weight_decay": 0.1, "clip_grad_norm": 0.01},
    {"optimizer": "adafactor", "ema_decay": 0.0, "average_last_share": 1.0},
    {"optimizer": "muon", "weight_decay": 0.1, "weight_decay_cautious": True},
]


def trained(batches, strategy=None, **hparams):
    """Returns weights, moving averages and learning rate after training twice on the batches."""

    keras.utils.set_random_seed(0)
    drops = ["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"]
    settings = {"ema_decay": 0.75, "learning_rate_schedule": "constant*linear_warmup"}
    settings |= {"learning_rate_constant": 0.01, "learning_rate_warmup_steps": 10}
    settings = HParams(**TINY | settings | hparams | dict.fromkeys(drops, 0.0))
    count = strategy.num_replicas_in_sync if strategy else 1
    devices = Devices(keras.backend.backend(), "CPU", count, strategy)
    problem_hparams = ProblemHParams({"targets": 11}, {"targets": "symbol"})
    with devices.scope():
        network = Transformer(settings, problem_hparams)
        build(network, problem_hparams)
        objective = Objective(network, settings, problem_hparams, devices.sum_over_replicas)
        run_if = devices.run_if if strategy else None
        optimizer = make_optimizer(settings, 100, run_if, fused_adam=devices.fused_adam)
        optimizer.build(network.trainable_variables)
    objective.compile(optimizer=optimizer, jit_compile=False)

    def batch(number, share, shares):
        features = batches[number % len(batches)]
        features = features if isinstance(features, dict) else {"targets": features}
        rows = len(features["targets"])
        part = slice(rows * share // shares, rows * (share + 1) // shares)
        return {name: value[part] for name, value in features.items()}

    first = batch(0, 0, 1)
    feed = Feed(batch, {name: ((None, 12), str(one.dtype)) for name, one in first.items()}, first=0)
    steps = len(batches) * 2
    objective.fit(devices.distribute(feed), steps_per_epoch=steps, shuffle=False, verbose=0)
    values = {weight.path: np.array(weight.numpy()) for weight in network.weights}
    return values, checkpoints.weights(network, optimizer), float(optimizer.learning_rate)


def check_accumulation(values, strategy=None):
    """Batches of 2, 24 and 5 tokens update as one batch of 31 tokens does; returns the weights."""
    rows = rows_of_31_tokens()
    weights, averages, rate = trained([rows], **values)
    accumulated = {**values, "optimizer_multistep_accumulate_steps": 3}
    *found, accumulated_rate = trained([rows[:2], rows[2:4], rows[4:]], strategy, **accumulated)
    assert accumulated_rate == rate == pytest.approx(0.01 * 2 / 10)
    for name, value in weights.items():
        np.testing.assert_allclose(found[0][name], value, atol=1e-6, rtol=0, err_msg=name)
        np.testing.assert_allclose(found[1][name], averages[name], atol=1e-6, rtol=0, err_msg=name)
    return weights


def rows_of_31_tokens():
    rows = np.zeros((6, 12), np.int32)
    rows[0, :2], rows[2], rows[3], rows[4, :5] = (3, 1), 4, 7, (5, 6, 7, 8, 1)
    return rows


def check_weights(strategy):
    """Rows of weight 2 and 1 train as the first row twice and the second once."""
    first, second = [3, 4, 1] + [0] * 9, [5] * 11 + [1]
    values = {"optimizer": "sgd", "learning_rate_constant": 1.0}
    rows = np.array([first, second], np.int32)
    weights = np.where(rows > 0, np.array([[0.02], [0.01]]), 0.0).astype(np.float32)
    twice = trained([np.array([first, first, second, [0] * 12], np.int32)], strategy, **values)[0]
    weighted = trained([{"targets": rows, "targets_weight": weights}], strategy, **values)[0]
    plain = trained([rows], strategy, **values)[0]
    for name, value in twice.items():
        np.testing.assert_allclose(weighted[name], value, atol=1e-6, rtol=0, err_msg=name)
    assert max(np.abs(plain[name] - value).max() for name, value in twice.items()) > 1e-4


def check_clipping(strategy):
    """The norm is of the gradient of all devices."""
    rows = np.array([[3] * 12, [4] * 11 + [1]], np.int32)
    values = {"optimizer": "sgd", "clip_grad_norm": 0.1, "learning_rate_constant": 1.0}
    expected, clipped = (trained([rows], where, **values)[0] for where in (None, strategy))
    for name, value in expected.items():
        np.testing.assert_allclose(clipped[name], value, atol=1e-6, rtol=0, err_msg=name)
    wider = trained([rows], **{**values, "clip_grad_norm": 0.11})[0]
    assert max(np.abs(wider[name] - value).max() for name, value in expected.items()) > 1e-5


@pytest.mark.parametrize("values", OPTIMIZERS, ids=lambda values: values["optimizer"])
def test_accumulated_batches_update_as_one_large_batch(values):
    weights = check_accumulation(values)
    # One of fewer tokens changes more than rounding does.
    rows = rows_of_31_tokens()
    other, _, _ = trained(
        [rows[:2], rows[3:4], rows[4:]], **values, optimizer_multistep_accumulate_steps=3
    )
    assert max(np.abs(other[name] - value).max() for name, value in weights.items()) > 2e-5


ELSEWHERE = """
from t2tlite.devices import devices
devices.choose(backend={backend!r})
import tensorflow as tf
strategy = None
if {backend!r} == "tensorflow":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
from tests.unit.training import test_objective as tests
for values in tests.OPTIMIZERS:
    tests.check_accumulation(values, strategy)
tests.check_clipping(strategy)
tests.check_weights(strategy)
"""


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.long)])
def test_accumulation_on_two_devices_and_on_jax(backend):
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE.format(backend=backend)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


MODES = ["prepend_inputs_masked_attention", "prepend_inputs_full_attention"]


def joining(mode, **values):
    """Returns a network with prepend_mode, and its objective."""
    drops = ["layer_prepostprocess_dropout", "attention_dropout", "relu_dropout"]
    values = {**TINY, **dict.fromkeys(drops, 0.0), **values}
    hparams = HParams(prepend_mode=mode, **values)
    problem_hparams = ProblemHParams({"inputs": 11, "targets": 11}, {"targets": "symbol"})
    keras.utils.set_random_seed(1)
    network = Transformer(hparams, problem_hparams)
    build(network, problem_hparams)
    objective = Objective(network, hparams, problem_hparams, lambda sums: sums)
    objective.compile(optimizer=make_optimizer(hparams, 1), jit_compile=False)
    return network, objective, problem_hparams, hparams


@pytest.mark.parametrize("mode", MODES)
def test_masked_attention_learns_the_inputs_too(mode):
    network, objective, *_ = joining(mode)
    joined = np.array([[5, 6, 1, 0, 8, 9, 1, 0], [7, 1, 0, 3, 1, 0, 0, 0]], np.int32)
    losses = np.array(cross_entropy(network({"targets": joined}), joined, 0.1))
    counts = joined > 0
    if mode == MODES[1]:
        counts[0, :4] = counts[1, :3] = False
    sums = Totals.read(objective.train_on_batch({"targets": joined}, return_dict=True))
    assert sums["tokens"] == counts.sum()
    assert sums["loss"] == pytest.approx(losses[counts].sum(), rel=1e-4)


def test_reversed_digits_are_learned_from_one_sequence():
    from t2tlite.decode.decode_hparams import DecodeHParams
    from t2tlite.decode.keras_search import make_search

    values = {"learning_rate_schedule": "constant", "learning_rate_constant": 0.005}
    values |= {"hidden_size": 32, "num_heads": 4, "filter_size": 64, "label_smoothing": 0.0}
    network, objective, problem_hparams, hparams = joining(MODES[1], **values)
    rng = np.random.default_rng(0)

    def lines(count):
        digits = rng.integers(2, 7, (count, 2))
        return np.pad(digits, [(0, 0), (0, 1)], constant_values=1).astype(np.int32), digits[:, ::-1]

    for _ in range(200):
        inputs, answers = lines(64)
        separator, ends = np.zeros((64, 1)), np.ones((64, 1))
        joined = np.concatenate([inputs, separator, answers, ends], axis=1).astype(np.int32)
        objective.train_on_batch({"targets": joined})
    inputs, answers = lines(50)
    decode_hparams = DecodeHParams(beam_size=2, extra_length=1)
    search = make_search(network, problem_hparams, hparams, decode_hparams)
    search.compile(jit_compile=False)
    found = search.predict_on_batch({"ids": inputs, "lengths": np.full(50, 3, np.int32)})
    right = (found["ids"][:, 0, :2] == answers).all(axis=1)
    assert right.mean() > 0.9
