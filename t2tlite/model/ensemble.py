"""`Ensemble`: several models of the same vocabulary that predict together."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from t2tlite.model import protocol


class Ensemble(keras.Model):
    """Predicts with the mean of the members' probabilities of each next token, or of their numbers.

    The methods are those of `t2tlite.model.protocol`. Logits are log-probabilities; each member has
    its own memory and cache, under its number. Attention weights are those of the first member.

    Args:
      members: built models, of any kind, of the same features and vocabularies.
      modality: of their targets; where it is "real_l2" they predict numbers.
    """

    def __init__(self, members: Sequence[Any], modality: str):
        super().__init__(name="ensemble")
        self.members = list(members)
        self._mean = mean_of_numbers if modality == "real_l2" else mean_of
        self.classifies = getattr(members[0], "classifies", False)
        if not all(map(protocol.has_cache, members)):
            # Decoding then calls all members on the whole prefix.
            self.start = self.step = None  # type: ignore[assignment,method-assign]
        if not protocol.has_attention(members[0]):
            self.attention_weights = None  # type: ignore[assignment,method-assign]
        self.built = True

    @property
    def shares_memory(self) -> bool:
        """Whether the memory may have one row for all beams of a line."""
        return all(map(protocol.shares_memory, self.members))

    def call(self, features: dict[str, Any], training: bool = False) -> Any:
        """Returns the logits [B, T, V] of all positions, or the numbers [B, 1, N]."""
        return self._mean([member(features, training=training) for member in self.members])

    def start(self, features: dict[str, Any], max_steps: Any) -> tuple[dict[str, Any], ...]:
        """Returns the memory and the first cache of all members."""
        begun = [member.start(features, max_steps) for member in self.members]
        return tuple({str(i): one[part] for i, one in enumerate(begun)} for part in range(2))

    def step(
        self, ids_N: Any, position: Any, memory: dict[str, Any], cache: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the logits [N, V] of the next position, and the cache."""
        logits, caches = [], {}
        for i, member in enumerate(self.members):
            of_member = memory[str(i)], cache[str(i)]
            logits_NV, caches[str(i)] = member.step(ids_N, position, *of_member)
            logits.append(logits_NV)
        return mean_of(logits), caches

    def attention_weights(self, features: dict[str, Any]) -> dict[str, Any]:
        """Returns the first member's; see `t2tlite.model.attention_weights.by_kind`."""
        weights: dict[str, Any] = self.members[0].attention_weights(features)
        return weights


def mean_of(logits: Sequence[Any]) -> Any:
    """Returns the logarithm of the mean of the probabilities that logits [..., V] stand for.

    Computed from logarithms, so that a probability too small for float32 doesn't become 0.
    """
    # Members with another vocab_divisor have other numbers of masked logits after the vocabulary's.
    width = min(each.shape[-1] for each in logits)
    log_probs = [ops.log_softmax(ops.cast(each[..., :width], "float32")) for each in logits]
    return functools.reduce(ops.logaddexp, log_probs) - math.log(len(log_probs))


def mean_of_numbers(outputs: Sequence[Any]) -> Any:
    """Returns the mean of predicted numbers [B, 1, N]."""
    return sum(outputs) / len(outputs)
