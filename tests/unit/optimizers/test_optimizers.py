"""The optimizers that the hparams name; Adafactor against the paper's formulas in NumPy."""

import keras
import numpy as np
import pytest

from t2tlite.config import HParams
from t2tlite.errors import HParamsError
from t2tlite.optimizers.adafactor import Adafactor
from t2tlite.optimizers.optimizers import make_optimizer


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


def reference(weight, gradients, rate, hparams):
    """Returns the weight after steps with these gradients, in float64."""
    rows = columns = squares = momentum = 0.0
    weight = weight.astype(np.float64)
    for step, gradient in enumerate(gradients, 1):
        if hparams.optimizer_adafactor_decay_type == "pow":
            decay = 1 - step**-hparams.optimizer_adafactor_memory_exponent
        else:
            beta2 = hparams.optimizer_adafactor_beta2
            decay = beta2 * (1 - beta2 ** (step - 1)) / (1 - beta2**step)
        squared = gradient.astype(np.float64) ** 2 + 1e-30
        if weight.ndim == 2 and hparams.optimizer_adafactor_factored:
            rows = decay * rows + (1 - decay) * squared.mean(axis=1)
            columns = decay * columns + (1 - decay) * squared.mean(axis=0)
            second = np.outer(rows, columns) / rows.mean()
        else:
            second = squares = decay * squares + (1 - decay) * squared
        update = gradient / np.sqrt(second)
        update /= max(1.0, rms(update) / hparams.optimizer_adafactor_clipping_threshold)
        if hparams.optimizer_adafactor_multiply_by_parameter_scale:
            update = update * max(rms(weight), 1e-3)
        beta1 = hparams.optimizer_adafactor_beta1
        momentum = beta1 * momentum + (1 - beta1) * rate * update
        weight = weight - momentum
    return weight


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"optimizer_adafactor_beta1": 0.9},
        {"optimizer_adafactor_decay_type": "adam"},
        {"optimizer_adafactor_factored": False},
        {"optimizer_adafactor_multiply_by_parameter_scale": False},
        {"optimizer_adafactor_clipping_threshold": 0.5},
    ],
    ids=lambda values: next(iter(values), "default"),
)
@pytest.mark.parametrize("shape", [(4, 3), (5,)])
def test_steps_are_those_of_the_formulas(values, shape):
    hparams = HParams(**values)
    draw = np.random.default_rng(1)
    start = draw.standard_normal(shape).astype("float32")
    gradients = draw.standard_normal((5, *shape)).astype("float32")
    weight = keras.Variable(start)
    optimizer = Adafactor(hparams, learning_rate=0.1)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    expected = reference(start, gradients, 0.1, hparams)
    np.testing.assert_allclose(weight.numpy(), expected, rtol=2e-5, atol=1e-6)
    assert rms(start - expected) > 0.02


def test_slots_have_names_of_their_own_and_are_small():
    weights = [keras.Variable(np.ones((40, 30), "float32"), name=name) for name in "ab"]
    optimizer = Adafactor(HParams(), learning_rate=0.1)
    optimizer.build(weights)
    paths = [variable.path for variable in optimizer.variables]
    assert len(set(paths)) == len(paths)
    assert sum(np.prod(slot.shape) for slot in optimizer.variables[2:]) == 2 * (40 + 30)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", "Adam"),
        ("true_adam", "Adam"),
        ("multistep_adam", "Adam"),
        ("MultistepAdam", "Adam"),
        ("TrueAdam", "Adam"),
        ("Adafactor", "Adafactor"),
        ("momentum", "SGD"),
        ("SGD", "SGD"),
    ],
)
def test_optimizers(name, kind):
    values = {"clip_grad_norm": 1.0, "weight_decay": 0.01, "optimizer_adam_beta2": 0.98}
    hparams = HParams(optimizer=name, optimizer_multistep_accumulate_steps=4, **values)
    optimizer, again = (make_optimizer(hparams, 100) for _ in range(2))
    assert type(optimizer).__name__ == kind
    assert (optimizer.global_clipnorm, optimizer.weight_decay) == (1.0, 0.01)
    assert optimizer.gradient_accumulation_steps == 4
    # A checkpoint saves slots by name, so the process's second optimizer must have the same.
    assert optimizer.name == again.name
    if kind == "Adam":
        assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.98, 1e-9)
    if kind == "SGD":
        assert optimizer.momentum == (0.9 if name == "momentum" else 0.0)


@pytest.mark.parametrize("name", ["adam_w", "AdamW", "adamw"])
def test_t2ts_adam_w_is_adam_if_no_weight_decays(name):
    assert type(make_optimizer(HParams(optimizer=name), 100)).__name__ == "Adam"
    with pytest.raises(HParamsError, match=f"optimizer={name} with weight_decay=0.01 takes that"):
        make_optimizer(HParams(optimizer=name, weight_decay=0.01), 100)


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_cautious_weight_decay(name):
    values = {"weight_decay": 0.5, "learning_rate_schedule": "constant"}
    values |= {"learning_rate_constant": 0.1, "optimizer": name}
    draw = np.random.default_rng(2)
    start, gradients = draw.standard_normal((4, 3)), draw.standard_normal((3, 4, 3))

    def step(weight, gradient, optimizer):
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [weight])
        return weight.numpy()

    plain = make_optimizer(HParams(**values | {"weight_decay": 0.0}), 10)
    cautious = make_optimizer(HParams(weight_decay_cautious=True, **values), 10)
    weights = [keras.Variable(start.astype("float32")) for _ in range(2)]
    for gradient in gradients:
        before = np.array(weights[0].numpy())
        update = before - step(weights[0], gradient, plain)
        expected = before - update - 0.1 * 0.5 * (update * before >= 0) * before
        np.testing.assert_allclose(step(weights[1], gradient, cautious), expected, atol=1e-6)
        weights[0].assign(expected)
        shrunk = (update * before >= 0).mean()
        assert 0 < shrunk < 1


def test_adafactor_has_no_cautious_weight_decay():
    hparams = HParams(optimizer="adafactor", weight_decay_cautious=True)
    assert type(make_optimizer(hparams, 10)) is Adafactor
    with pytest.raises(HParamsError, match="optimizer=adafactor doesn't support weight_decay_c"):
        make_optimizer(HParams(**hparams.changes(), weight_decay=0.1), 10)


@pytest.mark.parametrize("name", ["adam", "adafactor", "momentum", "sgd", "muon"])
def test_gradients_of_lookups(name):
    """On TensorFlow they are tf.IndexedSlices; a row that is looked up twice has two."""
    import tensorflow as tf

    def trained(slices):
        weights = [
            keras.Variable(np.ones((4, 3), "float32"), name=kind)
            for kind in ("embedding", "kernel")
        ]
        optimizer = make_optimizer(HParams(optimizer=name, learning_rate_schedule="constant"), 10)
        rows = tf.constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
        gradient = tf.IndexedSlices(rows, tf.constant([2, 0, 2]), tf.constant([4, 3]))
        gradient = gradient if slices else tf.convert_to_tensor(gradient)
        for _ in range(2):
            optimizer.apply([gradient, tf.ones((4, 3))], weights)
        return weights[0].numpy()

    np.testing.assert_allclose(trained(True), trained(False), rtol=1e-6)


def test_an_unknown_optimizer():
    with pytest.raises(HParamsError, match="optimizer=adm is not one of: adam"):
        make_optimizer(HParams(optimizer="adm"), 100)


def test_the_learning_rate_counts_updates():
    values = {"learning_rate_schedule": "constant*linear_warmup", "learning_rate_constant": 1.0}
    values |= {"optimizer": "sgd", "learning_rate_warmup_steps": 100}
    optimizer = make_optimizer(HParams(optimizer_multistep_accumulate_steps=4, **values), 40)
    weight = keras.Variable(np.zeros(1, "float32"))
    for _ in range(40):
        optimizer.apply([keras.ops.ones(1)], [weight])
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    # Updates 0 to 9, each at a hundredth more.
    np.testing.assert_allclose(weight.numpy(), [-0.45], rtol=1e-5)


def test_batches_whose_tokens_were_not_counted_weigh_as_much_as_the_next_one():
    hparams = HParams(
        optimizer="sgd", optimizer_multistep_accumulate_steps=4, learning_rate_constant=1.0
    )
    hparams.learning_rate_schedule = "constant"
    optimizer = make_optimizer(hparams, 40)
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer.build([weight])
    optimizer._iterations.assign(2)
    optimizer._accumulated_gradients[0].assign([2.0])
    optimizer.accumulated_tokens.assign(-2.0)
    for tokens, gradient in ((5.0, 4.0), (10.0, 7.0)):
        optimizer.weigh_batch(tokens)
        optimizer.apply([keras.ops.ones(1) * gradient], [weight])
    # (2 * 5 + 5 * 4 + 10 * 7) / (3 * 5 + 10)
    np.testing.assert_allclose(weight.numpy(), [-4.0], rtol=1e-6)
    assert float(optimizer.accumulated_tokens.numpy()) == 0.0
