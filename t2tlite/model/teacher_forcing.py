"""Forward passes over given targets: `Scorer`, `Likeliest` and `AttentionRecorder`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from t2tlite.config import PAD_ID
from t2tlite.model.losses import cross_entropy, squared_error, token_weights
from t2tlite.model.precision import products_in_float32


class Scorer(keras.Model):
    """Scores the targets of each row without dropout, in float32.

    Takes int32 features [B, T]. Returns float32 [B] "loss" (nats), "tokens", "correct" and "top5"
    (tokens whose target is the likeliest, or among the five likeliest), and int32 [B, T]
    "predicted". Of a model that predicts numbers, "loss" is the squared error, "tokens" counts
    numbers, none is "correct", and "predicted" is float32 [B, N].

    Args:
      network: a model.
      modality: of its targets.
      gather: returns a whole array from one that is divided over devices.
    """

    def __init__(self, network: Any, modality: str, gather: Callable[[Any], Any]):
        super().__init__(name="scorer")
        self.network = network
        self.modality = modality
        self.gather = gather

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        targets_BT = features["targets"]
        with products_in_float32(self.network):
            logits_BTV = self.network(features, training=False)
        weights_BT = token_weights(features, self.modality)
        if "inputs" in features:
            # Rows without inputs only fill a batch of static shape.
            real_B1 = ops.any(ops.not_equal(features["inputs"], PAD_ID), axis=1, keepdims=True)
            weights_BT = weights_BT * ops.cast(real_B1, "float32")
        if self.modality == "real_l2":
            return self._of_numbers(logits_BTV, targets_BT, weights_BT)
        target_logits = ops.take_along_axis(logits_BTV, targets_BT[..., None], axis=-1)
        ids_V = ops.arange(ops.shape(logits_BTV)[-1], dtype="int32")
        # As in T2T, of equal logits the first ranks highest.
        is_equal_BTV = (logits_BTV == target_logits) & (ids_V < targets_BT[..., None])
        is_higher_BTV = (logits_BTV > target_logits) | is_equal_BTV
        rank_BT = ops.sum(ops.cast(is_higher_BTV, "int32"), axis=-1)

        def count(is_hit_BT: Any) -> Any:
            return ops.sum(ops.cast(is_hit_BT, "float32") * weights_BT, axis=1)

        predicted_BT = ops.cast(ops.argmax(logits_BTV, axis=-1), "int32")
        scores = {
            "loss": ops.sum(cross_entropy(logits_BTV, targets_BT) * weights_BT, axis=1),
            "tokens": ops.sum(weights_BT, axis=1),
            # As in T2T, of equal logits only the first counts as the prediction.
            "correct": count(predicted_BT == targets_BT),
            "top5": count(rank_BT < 5),
            "predicted": predicted_BT,
        }
        return {name: self.gather(value) for name, value in scores.items()}

    def _of_numbers(self, outputs_B1N: Any, targets_BN: Any, weights_BN: Any) -> dict[str, Any]:
        none_B = ops.zeros_like(outputs_B1N[:, 0, 0])
        scores = {
            "loss": ops.sum(squared_error(outputs_B1N, targets_BN) * weights_BN, axis=1),
            "tokens": ops.sum(weights_BN, axis=1),
            "correct": none_B,
            "top5": none_B,
            "predicted": outputs_B1N[:, 0],
        }
        return {name: self.gather(value) for name, value in scores.items()}


class Likeliest(keras.Model):
    """Returns the likeliest tokens at each position of given targets, in float32.

    Takes int32 features [B, T]. Returns int32 "ids" and float32 "log_probs" [B, T, K], the
    likeliest first.

    Args:
      network: a model of tokens or labels.
      count: K.
      vocab_size: of its targets.
      gather: as of `Scorer`.
    """

    def __init__(self, network: Any, count: int, vocab_size: int, gather: Callable[[Any], Any]):
        super().__init__(name="likeliest")
        self.network = network
        self.count, self.vocab_size = count, vocab_size
        self.gather = gather

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        with products_in_float32(self.network):
            logits_BTV = self.network(features, training=False)[..., : self.vocab_size]
        logits_BTK, ids_BTK = ops.top_k(logits_BTV, self.count)
        norms_BT1 = ops.logsumexp(logits_BTV, axis=-1, keepdims=True)
        found = {"ids": ops.cast(ids_BTK, "int32"), "log_probs": logits_BTK - norms_BT1}
        return {name: self.gather(value) for name, value in found.items()}


class AttentionRecorder(keras.Model):
    """Returns a network's attention weights, by kind, as outputs of a compiled model.

    Args:
      network: a model with `attention_weights`.
      gather: returns a whole array from one that is divided over devices.
    """

    def __init__(self, network: Any, gather: Any):
        super().__init__(name="attention_recorder")
        self.network = network
        self.gather = gather

    def call(self, features: dict[str, Any]) -> dict[str, Any]:
        weights_by_kind = self.network.attention_weights(features)
        return {kind: self.gather(weights) for kind, weights in weights_by_kind.items()}
