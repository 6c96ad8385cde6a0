"""`Objective`: the Keras model that `fit` trains, a network with its loss; `Totals`: its metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from t2tlite.config import HParams, ProblemHParams
from t2tlite.devices.feeding import WAITED
from t2tlite.model.losses import SMALLEST
from t2tlite.training.batch_loss import BatchLoss


class Totals(keras.metrics.Metric):
    """Sums over steps and devices, in one variable, so that one transfer reads all.

    The sums of NAMES: weights of the target tokens, 1 each where samples have none; target tokens;
    positions of the batch, padding included; the loss in nats, weighted; seconds waited for data;
    devices of machines asked to stop; steps whose loss was finite.
    """

    NAMES = ("weight", "tokens", "slots", "loss", "waited", "stops", "finite_steps")

    def __init__(self):
        super().__init__(name="totals")
        # Each device adds the sums over all devices, so all copies are equal.
        self.sums = self.add_variable((len(self.NAMES),), "zeros", aggregation="mean", name="sums")

    def update_state(self, sums: Any) -> None:
        self.sums.assign(self.sums + sums)

    def result(self) -> Any:
        # [1, sums]: Keras takes the mean over the first axis when it merges several machines.
        return ops.expand_dims(self.sums, 0)

    @classmethod
    def read(cls, logs: dict[str, Any]) -> dict[str, float]:
        """Returns the sums by name from the logs of a training step."""
        values = np.asarray(logs["totals"]).reshape(-1).tolist()
        return dict(zip(cls.NAMES, values, strict=True))


class Objective(keras.Model):
    """A network with its loss and the sums of `Totals`.

    Args:
      network: takes a dict of int32 [B, T] features and returns logits [B, T, V]; where
        `protocol.projects`, as for the Transformer, the logits of a whole batch never exist.
      hparams: reads label_smoothing, rdrop_alpha, task_balance and prepend_mode.
      problem_hparams: reads modality and loss_multiplier.
      sum_over_replicas: sums a vector over the devices that share a batch.
      row_shares: devices over which one program divides the rows of a batch.

    Attributes:
      stop_asked: variable, 1.0 once this machine was asked to stop; `Totals` sums it over all.
    """

    def __init__(
        self,
        network: Any,
        hparams: HParams,
        problem_hparams: ProblemHParams,
        sum_over_replicas: Callable[[Any], Any],
        row_shares: int = 1,
    ):
        super().__init__(name="objective")
        self.network = network
        self.batch_loss = BatchLoss(network, hparams, problem_hparams, row_shares)
        self.loss_multiplier = problem_hparams.loss_multiplier
        self.sum_over_replicas = sum_over_replicas
        self.totals = Totals()
        self.stop_asked = self.add_weight((), "zeros", trainable=False, name="stop_asked")
        self.built = True

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: everything is built, and Keras would build it again for several devices."""

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the logs of a training step.

        Keras's mean loss isn't among them: it divides by rows, not by tokens.
        """
        return {"totals": self.totals.result()}

    def call(self, features: dict[str, Any], training: bool = False) -> Any:
        features = {n: value for n, value in features.items() if n != WAITED}
        return self.batch_loss.outputs(features, training)

    def train_step(self, *args: Any) -> Any:
        """Trains on a batch, the last argument; before it, JAX passes the state."""
        if self.optimizer.gradient_accumulation_steps:
            batch = keras.utils.unpack_x_y_sample_weight(args[-1])[0]
            self.optimizer.weigh_batch(self.sum_over_replicas(self.batch_loss.weight(batch)))
        return super().train_step(*args)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns this device's part of the weighted mean loss over a whole batch's target tokens.

        The parts of all devices add up to the mean, as their gradients do.
        """
        weight, total = self.batch_loss.weight(x), self.batch_loss.total(x, y_pred)
        tokens = self.batch_loss.tokens(x)
        slots = ops.cast(ops.size(x["targets"]), "float32")
        waited = ops.sum(x[WAITED]) if WAITED in x else 0.0
        stop_asked = ops.convert_to_tensor(self.stop_asked)
        sums = [weight, tokens, slots, ops.stop_gradient(total), waited, stop_asked]
        sums = self.sum_over_replicas(ops.stack([ops.cast(value, "float32") for value in sums]))
        finite = ops.cast(ops.isfinite(sums[3:4]), "float32")
        self.totals.update_state(ops.concatenate([sums, finite]))
        weight_on_all_devices = ops.maximum(sums[0], SMALLEST)
        # A loss that a layer added by add_loss is a mean over this device's part of the batch.
        added = sum(self.losses) * weight
        return self.loss_multiplier * (total + added) / weight_on_all_devices
