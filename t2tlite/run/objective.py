"""What training minimises: a Keras model around the network that computes the loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import HParamsError
from t2tlite.model.losses import cross_entropy, projected_cross_entropy, weights
from t2tlite.model.schedules import LearningRate


class Objective(keras.Model):
    """The network, its loss, and what a training report needs.

    Args:
      network: a model; see `t2tlite.model.transformer` for the protocol.
      hparams: reads label_smoothing.
      problem_hparams: reads modality and loss_multiplier.
      sum_over_replicas: adds a scalar up over the devices that share a batch.
    """

    def __init__(
        self,
        network: Any,
        hparams: HParams,
        problem_hparams: ProblemHParams,
        sum_over_replicas: Callable[[Any], Any],
    ):
        super().__init__(name="objective")
        self.network = network
        # A network that shows its last layer is spared the logits of a whole batch.
        self.projects = hasattr(network, "hidden") and hasattr(network, "softmax")
        self.modality = problem_hparams.modality["targets"]
        self.label_smoothing = hparams.label_smoothing
        self.loss_multiplier = problem_hparams.loss_multiplier
        self.sum_over_replicas = sum_over_replicas
        self.tokens = keras.metrics.Sum(name="tokens")
        self.slots = keras.metrics.Sum(name="slots")
        self.loss_sum = keras.metrics.Sum(name="loss_sum")
        # The network is built; for several devices Keras would try again, with float ids.
        self.built = True

    def call(self, features: dict[str, Any], training: bool = False) -> Any:
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
            )
        else:
            losses_BT = cross_entropy(y_pred, targets_BT, self.label_smoothing)
            total = ops.sum(losses_BT * weights_BT)
        self.tokens.update_state(count)
        self.slots.update_state(ops.cast(ops.size(targets_BT), "float32"))
        self.loss_sum.update_state(total)
        # Each device divides its sum by the tokens of all, so that the sum of the devices'
        # gradients is the gradient of the mean over the whole batch.
        everywhere = ops.maximum(self.sum_over_replicas(count), 1.0)
        return self.loss_multiplier * total / everywhere


def make_optimizer(hparams: HParams, train_steps: int) -> Any:
    """Returns the optimizer with its learning rate schedule, T2T's settings.

    Raises:
      HParamsError: an optimizer that isn't known.
    """
    shared: dict[str, Any] = {
        "learning_rate": LearningRate(hparams, train_steps),
        "global_clipnorm": hparams.clip_grad_norm or None,
        "weight_decay": hparams.weight_decay or None,
    }
    if hparams.optimizer_multistep_accumulate_steps > 1:
        shared["gradient_accumulation_steps"] = hparams.optimizer_multistep_accumulate_steps
    name = hparams.optimizer.lower()
    # Named: Keras numbers the unnamed of a process, and a checkpoint knows its slots by name.
    if name in ("adam", "true_adam", "multistep_adam", "adamw"):
        return keras.optimizers.Adam(
            name="adam",
            beta_1=hparams.optimizer_adam_beta1,
            beta_2=hparams.optimizer_adam_beta2,
            epsilon=hparams.optimizer_adam_epsilon,
            **shared,
        )
    if name == "adafactor":
        return keras.optimizers.Adafactor(
            name="adafactor",
            beta_2_decay=-hparams.optimizer_adafactor_memory_exponent,
            clip_threshold=hparams.optimizer_adafactor_clipping_threshold,
            # Not Keras's own schedule: the learning rate is the hparams'.
            relative_step=False,
            **shared,
        )
    if name in ("momentum", "sgd"):
        return keras.optimizers.SGD(
            name="sgd",
            momentum=hparams.optimizer_momentum_momentum if name == "momentum" else 0.0,
            nesterov=hparams.optimizer_momentum_nesterov,
            **shared,
        )
    raise HParamsError(
        f"optimizer={hparams.optimizer} is not one of: adam, multistep_adam, true_adam, adamw, "
        f"adafactor, momentum, sgd"
    )
