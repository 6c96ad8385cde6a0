"""Compiled passes over given targets: losses by row, and attention weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from t2tlite.model.losses import cross_entropy, weights


class Scorer(keras.Model):
    """Runs a model without dropout and returns what the metrics need, by row.

    Args:
      network: a model.
      modality: of its targets.
      gather: makes a result whole where several devices compute it.
    """

    def __init__(self, network: Any, modality: str, gather: Callable[[Any], Any]):
        super().__init__(name="scorer")
        self.network = network
        self.modality = modality
        self.gather = gather

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        targets_BT = features["targets"]
        logits_BTV = self.network(features, training=False)
        weights_BT = weights(targets_BT, self.modality)
        if "inputs" in features:
            # A row that only fills up a batch of static shape has no inputs.
            filled_B1 = ops.any(ops.not_equal(features["inputs"], 0), axis=1, keepdims=True)
            weights_BT = weights_BT * ops.cast(filled_B1, "float32")
        target_logits = ops.take_along_axis(logits_BTV, targets_BT[..., None], axis=-1)
        ahead_BT = ops.sum(ops.cast(logits_BTV > target_logits, "int32"), axis=-1)

        def count(where: Any) -> Any:
            return ops.sum(ops.cast(where, "float32") * weights_BT, axis=1)

        predicted_BT = ops.cast(ops.argmax(logits_BTV, axis=-1), "int32")
        scores = {
            "loss": ops.sum(cross_entropy(logits_BTV, targets_BT) * weights_BT, axis=1),
            "tokens": ops.sum(weights_BT, axis=1),
            # As T2T: the argmax must be the target, also where two logits are equal.
            "correct": count(predicted_BT == targets_BT),
            "top5": count(ahead_BT < 5),
            "predicted": predicted_BT,
        }
        return {name: self.gather(value) for name, value in scores.items()}


class Watched(keras.Model):
    """A network's attention weights as a model's output, so that a backend compiles the pass.

    Args:
      network: a model with `attention_weights`.
      gather: makes a result whole where several devices compute it.
    """

    def __init__(self, network: Any, gather: Any):
        super().__init__(name="watched")
        self.network = network
        self.gather = gather

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        found = self.network.attention_weights(features)
        return {kind: self.gather(weights) for kind, weights in found.items()}
