"""What a teacher says of each target token, as a part of the loss (Hinton et al. 2015).

Shapes: as in `losses`, and K tokens of the teacher at each position.
"""

from typing import Any, NamedTuple

from keras import ops


class SoftTargets(NamedTuple):
    """A teacher's distributions, and how much they count, as T2T's hparams of the names say.

    A token's loss is task_balance * its cross-entropy + (1 - task_balance) * temperature ** 2 *
    that of the teacher's distribution and the student's, both at the temperature.

    Attributes:
      ids: int32 [B, T, K], different ones at each position.
      probabilities: float32 [B, T, K] at the temperature, with the sum 1: what the teacher leaves
        to other tokens is shared among these.
      task_balance: of the true targets, from 0 to 1.
      temperature: divides the logits.
    """

    ids: Any
    probabilities: Any
    task_balance: float
    temperature: float

    @classmethod
    def of(cls, ids_BTK, log_probs_BTK, task_balance, temperature):
        """Returns them from the teacher's log-probabilities at the temperature 1, float32."""
        cooled_BTK = log_probs_BTK / temperature
        # Keras warns of a softmax of one value.
        cooled_BTK -= ops.logsumexp(cooled_BTK, axis=-1, keepdims=True)
        return cls(ids_BTK, ops.exp(cooled_BTK), task_balance, temperature)

    @property
    def scale(self):
        """The factor of the cross-entropy with the teacher."""
        return (1.0 - self.task_balance) * self.temperature**2


def soft_cross_entropy(logits_BTV, soft, vocab_size=None):
    """Cross-entropy of a teacher's distribution of each position, times its scale, in nats.

    Args:
      logits_BTV: float32.
      soft: `SoftTargets`.
      vocab_size: as in `losses.cross_entropy`.

    Returns:
      float32 [B, T].
    """
    cooled_BTV = logits_BTV[..., :vocab_size] / soft.temperature
    picked_BTK = ops.take_along_axis(cooled_BTV, soft.ids, axis=-1)
    expected_BT = ops.sum(soft.probabilities * picked_BTK, axis=-1)
    return soft.scale * (ops.logsumexp(cooled_BTV, axis=-1) - expected_BT)


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
