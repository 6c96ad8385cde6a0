"""What a teacher says of each target token, as a part of the loss (Hinton et al. 2015).

Shapes: as in `losses`, and K tokens of the teacher at each position.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from t2tlite.model.layers import MASKED


class SoftTargets(NamedTuple):
    """A teacher's distributions, and how much they count, as T2T's hparams of the names say.

    A token's loss is task_balance * its cross-entropy + (1 - task_balance) times two terms:

    - the cross-entropy at temperature 1 of two events: the token is one of the teacher's K, or it
      is another. So the student learns how much the teacher leaves to all other tokens;
    - temperature ** 2 * the cross-entropy, at the temperature, of the distributions among the K,
      times their probability for the teacher.

    At temperature 1 their sum is the cross-entropy of K + 1 classes, of which one is all other
    tokens. With the whole vocabulary as the K it is T2T's loss.

    Attributes:
      ids: int32 [B, T, K], different ones at each position.
      probabilities: float32 [B, T, K] of the teacher among the K, at the temperature; the sum is 1.
      kept: float32 [B, T], the teacher's probability of the K together.
      task_balance: of the true targets, from 0 to 1.
      temperature: divides the logits.
    """

    ids: Any
    probabilities: Any
    kept: Any
    task_balance: float
    temperature: float

    @classmethod
    def of(cls, ids_BTK, log_probs_BTK, task_balance, temperature, vocab_size):
        """Returns them from the teacher's log-probabilities at the temperature 1, float32."""
        kept_BT = ops.minimum(ops.sum(ops.exp(log_probs_BTK), axis=-1), 1.0)
        if ids_BTK.shape[-1] == vocab_size:  # but for the rounding of the records
            kept_BT = ops.ones_like(kept_BT)
        probabilities_BTK = _softmax(log_probs_BTK / temperature)
        return cls(ids_BTK, probabilities_BTK, kept_BT, task_balance, temperature)

    def map(self, function):
        """Returns them with a function of the tensors in place of these."""
        ids, probabilities, kept = map(function, self[:3])
        return self._replace(ids=ids, probabilities=probabilities, kept=kept)

    @property
    def share(self):
        """The factor of the teacher's part of the loss."""
        return 1.0 - self.task_balance

    def costs(self, picked_BTK):
        """Returns what the logits of the teacher's K tokens add to the loss.

        The rest of the teacher's part is logsumexp(all logits) - (1 - kept) * logsumexp(logits of
        all other tokens), times `share`.

        Args:
          picked_BTK: the student's logits of the K.

        Returns:
          The costs, float32 [B, T], and minus their gradient by the logits, float32 [B, T, K].
        """
        cooled_BTK = picked_BTK / self.temperature
        expected_BT = ops.sum(self.probabilities * cooled_BTK, axis=-1)
        among_BT = ops.logsumexp(cooled_BTK, axis=-1) - expected_BT
        costs_BT = self.temperature**2 * among_BT - ops.logsumexp(picked_BTK, axis=-1)
        excess_BTK = self.temperature * (self.probabilities - _softmax(cooled_BTK))
        slopes_BTK = self.kept[..., None] * (_softmax(picked_BTK) + excess_BTK)
        return self.share * self.kept * costs_BT, self.share * slopes_BTK


def _softmax(logits):
    # Keras's own warns of a softmax of one value.
    return ops.exp(logits - ops.logsumexp(logits, axis=-1, keepdims=True))


def replaced(values_V, ids_K, value):
    """Returns values, [..., V], with another value at the K ids of each row."""
    if keras.backend.backend() == "jax":
        # One operation with what reads the result; devices that share V exchange nothing.
        is_id_KV = ops.equal(ids_K[..., None], ops.arange(values_V.shape[-1]))
        return ops.where(ops.any(is_id_KV, axis=-2), value, values_V)
    count, size = ids_K.shape[-1], values_V.shape[-1]
    ids_NK = ops.reshape(ids_K, (-1, count))
    rows_NK = ops.broadcast_to(ops.arange(ops.shape(ids_NK)[0])[:, None], ops.shape(ids_NK))
    places = ops.stack([ops.reshape(rows_NK, (-1,)), ops.reshape(ids_NK, (-1,))], axis=-1)
    fill = ops.full((ops.shape(places)[0],), value, values_V.dtype)
    updated = ops.scatter_update(ops.reshape(values_V, (-1, size)), places, fill)
    return ops.reshape(updated, ops.shape(values_V))


def soft_cross_entropy(logits_BTV, soft, vocab_size=None):
    """The teacher's part of the loss of each position, times its share, in nats.

    Args:
      logits_BTV: float32.
      soft: `SoftTargets`.
      vocab_size: as in `losses.cross_entropy`.

    Returns:
      float32 [B, T].
    """
    logits_BTV = logits_BTV[..., :vocab_size]
    costs_BT, _ = soft.costs(ops.take_along_axis(logits_BTV, soft.ids, axis=-1))
    others_BT = ops.logsumexp(replaced(logits_BTV, soft.ids, MASKED), axis=-1)
    norms_BT = ops.logsumexp(logits_BTV, axis=-1) - (1.0 - soft.kept) * others_BT
    return soft.share * norms_BT + costs_BT


def picked_logits(vectors_SMD, table_VD, ids_SMK):
    """Returns the products of each token's vector and K rows of a table: float32 [S, M, K]."""

    def products(ids_SM):
        return ops.sum(vectors_SMD * ops.take(table_VD, ids_SM, axis=0), axis=-1)

    return ops.moveaxis(ops.map(products, ops.moveaxis(ids_SMK, -1, 0)), 0, -1)


def expected_rows(table_VD, ids_SMK, weights_SMK):
    """Returns the weighted sum of K rows of a table for each token: float32 [S, M, D].

    One of the K after the other, so that K rows of all tokens never exist together.
    """
    ids_KSM, weights_KSM = ops.moveaxis(ids_SMK, -1, 0), ops.moveaxis(weights_SMK, -1, 0)

    def term(k):
        return weights_KSM[k][..., None] * ops.take(table_VD, ids_KSM[k], axis=0)

    return ops.fori_loop(1, ids_SMK.shape[-1], lambda k, total: total + term(k), term(0))


def scattered_rows(vectors_SMD, ids_SMK, weights_SMK, rows):
    """Adds each token's vector, weighted, to K rows of a table: float32 [rows, D].

    It is the gradient of `expected_rows` by the table.
    """
    count = ids_SMK.shape[-1]
    vectors_ND = ops.reshape(vectors_SMD, (-1, vectors_SMD.shape[-1]))
    ids_KN = ops.transpose(ops.reshape(ids_SMK, (-1, count)))
    weights_KN = ops.transpose(ops.reshape(weights_SMK, (-1, count)))

    def term(k):
        return ops.segment_sum(weights_KN[k][:, None] * vectors_ND, ids_KN[k], rows)

    return ops.fori_loop(1, count, lambda k, total: total + term(k), term(0))
