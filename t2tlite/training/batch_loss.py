"""`BatchLoss`: what a network's outputs for a batch cost."""

from __future__ import annotations

import logging
from typing import Any

from keras import ops

from t2tlite.config import WEIGHTS, HParams, ProblemHParams
from t2tlite.data.teacher import COSTS_PER_NAT, TEACHER_COSTS, TEACHER_IDS
from t2tlite.errors import HParamsError
from t2tlite.model import protocol
from t2tlite.model.dropout import tells_rows_apart
from t2tlite.model.losses import (
    cross_entropy,
    divergence,
    projected_cross_entropy,
    squared_error,
    token_weights,
)
from t2tlite.model.soft_targets import SoftTargets, soft_cross_entropy

log = logging.getLogger(__name__)

# Features of a batch that only the loss reads.
OF_LOSS = (WEIGHTS, TEACHER_IDS, TEACHER_COSTS)


class BatchLoss:
    """The loss of batches, of one pass over them or of two.

    With rdrop_alpha a network reads each row twice, with other dropout (Liang et al. 2021,
    "R-Drop"). A token then costs half of the paper's loss, -log p - log q + alpha * (KL(p || q) +
    KL(q || p)) / 2, so that the loss is as large as that of one pass.

    Args:
      network, hparams, problem_hparams, row_shares: of `Objective`.
    """

    def __init__(
        self, network: Any, hparams: HParams, problem_hparams: ProblemHParams, row_shares: int
    ):
        self.network = network
        self.projects = protocol.projects(network)
        self.modality = problem_hparams.modality["targets"]
        # As in T2T, the other prepend_mode also learns to write the inputs.
        self.answers_only = hparams.prepend_mode == "prepend_inputs_full_attention"
        self.label_smoothing = hparams.label_smoothing
        self.vocab_size = problem_hparams.vocab_size["targets"]
        self.row_shares = row_shares
        self.passes = 2 if hparams.rdrop_alpha else 1
        self.divergence_weight = hparams.rdrop_alpha / 2
        self.task_balance = hparams.task_balance
        self.temperature = hparams.distill_temperature
        for name, plain in {"rdrop_alpha": 0.0, "task_balance": 1.0}.items():
            value = getattr(hparams, name)
            if self.modality == "real_l2" and value != plain:
                raise HParamsError(
                    f"{name}={value} compares probabilities, but the problem's targets are "
                    f"numbers; set {name}={plain:g}"
                )
        if self.passes > 1:
            self._check_passes(hparams.rdrop_alpha)

    def _check_passes(self, alpha: float) -> None:
        if not tells_rows_apart(self.network):
            log.warning(
                "rdrop_alpha=%s only doubles the work of a step: the two passes are the same "
                "without dropout, or with one mask for all rows (axis 0 of ..._broadcast_dims)",
                alpha,
            )

    def outputs(self, features: dict[str, Any], training: bool) -> Any:
        """Returns hidden states [B, T, D] where the network projects them, otherwise logits.

        In training they are those of `passes` rows for each row of the features.
        """
        features = {name: value for name, value in features.items() if name not in OF_LOSS}
        if training:
            features = {name: self._repeated(value) for name, value in features.items()}
        network = self.network.hidden if self.projects else self.network
        return network(features, training=training)

    def _repeated(self, values: Any) -> Any:
        # Neighbours stay on one device.
        return ops.repeat(values, self.passes, axis=0) if self.passes > 1 else values

    def _weights(self, features: dict[str, Any]) -> Any:
        """Returns the weight of each position of the targets, 0 where it doesn't count."""
        weights_BT = token_weights(features, self.modality, self.answers_only)
        return weights_BT * features[WEIGHTS] if WEIGHTS in features else weights_BT

    def weight(self, features: dict[str, Any]) -> Any:
        """Returns the sum of the weights of a batch's target tokens, float32."""
        return ops.sum(self._weights(features))

    def tokens(self, features: dict[str, Any]) -> Any:
        """Returns the number of target tokens of a batch, float32."""
        return ops.sum(token_weights(features, self.modality, self.answers_only))

    def _soft_targets(self, features: dict[str, Any]) -> SoftTargets | None:
        """Returns a batch's distributions of the teacher; None if the loss has no share of them."""
        if self.task_balance == 1:
            return None
        ids_BTK, costs_BTK = (self._repeated(features[n]) for n in (TEACHER_IDS, TEACHER_COSTS))
        log_probs_BTK = ops.cast(costs_BTK, "float32") / -COSTS_PER_NAT
        about = self.task_balance, self.temperature, self.vocab_size
        return SoftTargets.of(ids_BTK, log_probs_BTK, *about)

    def total(self, features: dict[str, Any], outputs: Any) -> Any:
        """Returns the weighted sum of the loss over the target tokens of a batch.

        Args:
          features: the batch.
          outputs: what `outputs` returned for it in training.
        """
        targets_BT = self._repeated(features["targets"])
        weights_BT = self._repeated(self._weights(features))
        if self.projects:
            softmax = self.network.softmax
            total = projected_cross_entropy(
                outputs,
                softmax.weight_VD,
                targets_BT,
                weights_BT,
                self.label_smoothing,
                softmax.vocab_size,
                self.row_shares,
                self.divergence_weight,
                self._soft_targets(features),
            )
        elif self.modality == "real_l2":
            total = ops.sum(squared_error(outputs, targets_BT) * weights_BT)
        else:
            losses_BT = cross_entropy(outputs, targets_BT, self.label_smoothing, self.vocab_size)
            if soft := self._soft_targets(features):
                losses_BT = self.task_balance * losses_BT
                losses_BT += soft_cross_entropy(outputs, soft, self.vocab_size)
            total = ops.sum(losses_BT * weights_BT)
            if self.divergence_weight:
                divergences_BT = divergence(outputs, self.vocab_size)
                total += self.divergence_weight * ops.sum(divergences_BT * weights_BT[::2])
        return total / self.passes
