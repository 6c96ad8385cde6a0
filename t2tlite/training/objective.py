"""What training minimises: a Keras model around the network that computes the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from t2tlite.config import HParams, ProblemHParams
from t2tlite.data.inputs import WAITED
from t2tlite.model.losses import cross_entropy, projected_cross_entropy, weights


class Totals(keras.metrics.Metric):
    """Sums of what a report needs, over steps and devices, in one variable: one transfer reads all.

    The sums are those of NAMES: target tokens; places for tokens in the batch, padding included;
    the loss before division by the tokens; seconds waited for data; devices that were asked to
    stop; steps whose loss was finite.
    """

    NAMES = ("tokens", "slots", "loss", "waited", "stops", "finite_steps")

    def __init__(self):
        super().__init__(name="totals")
        # Every device adds the sums over all devices, so that all hold the same.
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
    """The network, its loss, and what a training report needs.

    Args:
      network: a model; see `t2tlite.model.transformer` for the protocol.
      hparams: reads label_smoothing.
      problem_hparams: reads modality and loss_multiplier.
      sum_over_replicas: adds a vector up over the devices that share a batch.
      row_shares: devices over which one program divides the rows of a batch.

    Attributes:
      stop_asked: variable, 1 where this machine was asked to stop; the totals tell all machines.
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
        # A network that shows its last layer is spared the logits of a whole batch.
        self.projects = hasattr(network, "hidden") and hasattr(network, "softmax")
        self.modality = problem_hparams.modality["targets"]
        self.label_smoothing = hparams.label_smoothing
        self.loss_multiplier = problem_hparams.loss_multiplier
        self.sum_over_replicas = sum_over_replicas
        self.row_shares = row_shares
        self.totals = Totals()
        self.stop_asked = self.add_weight((), "zeros", trainable=False, name="stop_asked")
        self.built = True

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        """Leaves out what Keras does before it trains on several devices: all is built."""

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns what a training step logs; Keras's own mean loss divides by rows, not tokens."""
        return {"totals": self.totals.result()}

    def call(self, features: dict[str, Any], training: bool = False) -> Any:
        features = {name: value for name, value in features.items() if name != WAITED}
        if self.projects:
            return self.network.hidden(features, training=training)
        return self.network(features, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the mean loss over the target tokens of the whole batch, on all devices."""
        targets_BT = x["targets"]
        weights_BT = weights(targets_BT, self.modality)
        count = ops.sum(weights_BT)
        if self.projects:
            softmax = self.network.softmax
            total = projected_cross_entropy(
                y_pred,
                softmax.weight_VD,
                targets_BT,
                weights_BT,
                self.label_smoothing,
                softmax.vocab_size,
                self.row_shares,
            )
        else:
            losses_BT = cross_entropy(y_pred, targets_BT, self.label_smoothing)
            total = ops.sum(losses_BT * weights_BT)
        waited = ops.sum(x[WAITED]) if WAITED in x else 0.0
        sums = [
            count,
            ops.cast(ops.size(targets_BT), "float32"),
            ops.stop_gradient(total),
            waited,
            ops.convert_to_tensor(self.stop_asked),
        ]
        sums = self.sum_over_replicas(ops.stack([ops.cast(one, "float32") for one in sums]))
        finite = ops.cast(ops.isfinite(sums[2:3]), "float32")
        self.totals.update_state(ops.concatenate([sums, finite]))
        # Each device divides its sum by the tokens of all, so that the sum of the devices'
        # gradients is the gradient of the mean over the whole batch.
        everywhere = ops.maximum(sums[0], 1.0)
        # What a network adds by add_loss is a mean over its device's part of the batch.
        added = sum(self.losses) * count
        return self.loss_multiplier * (total + added) / everywhere
