"""What training minimises, and the optimizers that the hparams name."""

import keras
import numpy as np
import pytest

from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import HParamsError
from t2tlite.model.losses import cross_entropy
from t2tlite.run.objective import Objective, Totals, make_optimizer

TARGETS = np.array([[3, 4, 1, 0], [5, 1, 0, 0]], np.int32)


class Plain(keras.Model):
    """Hides what spares a network the logits of a whole batch."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, features, training=False):
        return self.network(features, training=training)


def loss(network, elsewhere=0.0, **problem):
    """Returns the loss of TARGETS, where other devices add `elsewhere` to each sum, and the sums."""
    told = ProblemHParams({"targets": 11}, {"targets": "symbol"}, **problem)
    hparams = HParams(label_smoothing=0.1)
    objective = Objective(network, hparams, told, lambda sums: sums + elsewhere)
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


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", "Adam"),
        ("true_adam", "Adam"),
        ("multistep_adam", "Adam"),
        ("Adafactor", "Adafactor"),
        ("momentum", "SGD"),
        ("sgd", "SGD"),
    ],
)
def test_optimizers(name, kind):
    values = {"clip_grad_norm": 1.0, "weight_decay": 0.01, "optimizer_adam_beta2": 0.98}
    hparams = HParams(optimizer=name, optimizer_multistep_accumulate_steps=4, **values)
    made, again = (make_optimizer(hparams, 100) for _ in range(2))
    assert type(made).__name__ == kind
    assert (made.global_clipnorm, made.weight_decay) == (1.0, 0.01)
    assert made.gradient_accumulation_steps == 4
    # A checkpoint finds the slots by name, also in the process's second run.
    assert made.name == again.name
    if kind == "Adam":
        assert (made.beta_1, made.beta_2, made.epsilon) == (0.9, 0.98, 1e-9)
    if kind == "SGD":
        assert made.momentum == (0.9 if name == "momentum" else 0.0)


def test_an_unknown_optimizer():
    with pytest.raises(HParamsError, match="optimizer=adm is not one of: adam"):
        make_optimizer(HParams(optimizer="adm"), 100)
