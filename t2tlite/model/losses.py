"""The training loss: label-smoothed cross-entropy, also in chunks of tokens without all logits.

Shapes: B batch, T target length, D hidden size, V vocabulary (rows of the embedding), S devices
that share the rows in one program, M tokens of a share, C tokens of a chunk, N numbers of a text.
"""

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from t2tlite.config import PAD_ID
from t2tlite.model import prepend
from t2tlite.model.layers import MASKED
from t2tlite.model.soft_targets import (
    expected_rows,
    picked_logits,
    replaced,
    scattered_rows,
)

# Maximum number of tokens whose logits exist at a time; benchmarks/loss.py measures the choice.
CHUNK_TOKENS = 1024
# Smaller probabilities aren't exact in float32.
SMALLEST = 1e-30


def token_weights(features, modality, answers_only=False):
    """Returns which positions of the targets count: float32 [B, T], 1 or 0.

    Args:
      features: "targets" [B, T], and "targets_position" of packed rows.
      modality: of the targets; of tokens those that aren't padding count, of other targets all.
      answers_only: the targets are inputs, a separator and an answer; only the answer counts.
    """
    targets_BT = features["targets"]
    if modality != "symbol":
        return ops.ones_like(targets_BT, dtype="float32")
    counts_BT = ops.not_equal(targets_BT, PAD_ID)
    if answers_only:
        counts_BT = counts_BT & prepend.follows_separator(features)
    return ops.cast(counts_BT, "float32")


def _smoothed_distribution(label_smoothing, vocab_size):
    """Returns the smoothed distribution: the target's excess, the others' share, the entropy."""
    if not label_smoothing or vocab_size < 2:
        return 1.0, 0.0, 0.0
    on, off = 1.0 - label_smoothing, label_smoothing / (vocab_size - 1)
    entropy = -(on * math.log(on) + (vocab_size - 1) * off * math.log(off + 1e-20))
    return on - off, off, entropy


def cross_entropy(logits_BTV, targets_BT, label_smoothing=0.0, vocab_size=None):
    """Label-smoothed cross-entropy of each position, in nats (Szegedy et al. 2016, as in T2T).

    The target has probability 1 - label_smoothing, the other tokens share the rest equally. The
    entropy of that distribution is subtracted, so that a perfect prediction costs 0.

    Args:
      logits_BTV: float32.
      targets_BT: int32 ids.
      label_smoothing: between 0 and 1.
      vocab_size: number of tokens; later logits only fill V to a multiple of vocab_divisor, and
        don't count. By default V.

    Returns:
      float32 [B, T].
    """
    logits_BTV = logits_BTV[..., :vocab_size]
    peak, floor, entropy = _smoothed_distribution(label_smoothing, logits_BTV.shape[-1])
    log_norm_BT = ops.logsumexp(logits_BTV, axis=-1)
    picked_BT = ops.take_along_axis(logits_BTV, targets_BT[..., None], axis=-1)[..., 0]
    loss_BT = log_norm_BT - peak * picked_BT - entropy
    return loss_BT - floor * ops.sum(logits_BTV, axis=-1) if floor else loss_BT


def squared_error(outputs_B1N, targets_BN):
    """Squared error of each number, T2T's loss for real_l2: float32 [B, N].

    Args:
      outputs_B1N: what the model predicts, float32.
      targets_BN: the right numbers, float32.
    """
    return ops.square(outputs_B1N[:, 0] - ops.cast(targets_BN, "float32"))


def divergence(logits_BTV, vocab_size=None):
    """Symmetric Kullback-Leibler divergence of the distributions of rows 2i and 2i + 1.

    Args:
      logits_BTV: float32; B is even.
      vocab_size: as in `cross_entropy`.

    Returns:
      float32 [B / 2, T]: KL(p || q) + KL(q || p), in nats.
    """
    logits_BTV = logits_BTV[..., :vocab_size]
    # The normalisers cancel: sum((p - q) * (log p - log q)) of two distributions.
    gap = logits_BTV[::2] - logits_BTV[1::2]
    probabilities_BTV = ops.softmax(logits_BTV)
    return ops.sum((probabilities_BTV[::2] - probabilities_BTV[1::2]) * gap, axis=-1)


def projected_cross_entropy(
    hidden_BTD,
    table_VD,
    targets_BT,
    weights_BT,
    label_smoothing=0.0,
    vocab_size=None,
    shares=1,
    divergence_weight=0.0,
    soft=None,
):
    """Returns the weighted sum of the cross-entropy of hidden @ table^T, in chunks of tokens.

    Logits exist for at most CHUNK_TOKENS tokens at a time. The forward pass computes the gradients
    as well: the loss is a sum, so a chunk's gradient doesn't depend on the other chunks. Value and
    gradients are those of `cross_entropy`, `divergence` and `soft_cross_entropy` on all logits.

    Args:
      hidden_BTD: the decoder's output, float32 or bfloat16.
      table_VD: the output embedding, float32; rows from vocab_size on are padding.
      targets_BT: int32 ids.
      weights_BT: float32, 0 where a position doesn't count.
      label_smoothing: between 0 and 1.
      vocab_size: number of tokens; by default all rows.
      shares: S; each device has chunks of its own tokens. B is a multiple of it.
      divergence_weight: if not 0, rows 2i and 2i + 1 are two passes over the same targets, and
        their `divergence` is added times this.
      soft: the `SoftTargets` of a teacher, which take a share of the loss; None: there are none.

    Returns:
      A float32 scalar.
    """
    vocab_size = vocab_size or table_VD.shape[0]
    tensors, pairs = (hidden_BTD, targets_BT, weights_BT), bool(divergence_weight)
    hidden_SMD, targets_SM, weights_SM = (_divided(each, shares, pairs) for each in tensors)
    soft = soft and soft.map(lambda each: _divided(each, shares, pairs))
    known = _Known.of(label_smoothing, vocab_size, soft)

    @ops.custom_gradient
    def total(hidden_SMD, table_VD):
        norms_SM, softmax_SMD, grad_VD = _chunks(
            hidden_SMD, table_VD, targets_SM, weights_SM, vocab_size, divergence_weight, soft
        )
        hidden32_SMD = ops.cast(hidden_SMD, "float32")
        costs_SM, wanted_SMD, slopes_SMK = known.costs(hidden32_SMD, table_VD, targets_SM)
        value = ops.sum(weights_SM * (norms_SM + costs_SM))

        def grad(*args, upstream=None):
            scalar = upstream if upstream is not None else args[-1]
            hidden_grad = softmax_SMD - weights_SM[..., None] * wanted_SMD
            weighted_SMD = weights_SM[..., None] * hidden32_SMD
            terms_VD = known.terms(weighted_SMD, targets_SM, slopes_SMK, table_VD.shape[0])
            table_grad = grad_VD - terms_VD
            return ops.cast(scalar * hidden_grad, hidden_SMD.dtype), scalar * table_grad

        return value, grad

    return total(hidden_SMD, ops.convert_to_tensor(table_VD))


def _divided(values, shares, pairs):
    """Divides the tokens of rows among the shares: [B, T, ...] -> [S, M, ...].

    With pairs, tokens of the rows 2i and 2i + 1 become neighbours, which no chunk separates.
    """
    trailing = values.shape[2:]
    if pairs:
        values = ops.reshape(values, (-1, 2, *ops.shape(values)[1:]))
        values = ops.moveaxis(values, 1, 2)
    return ops.reshape(values, (shares, -1, *trailing))


class _Known(NamedTuple):
    """What is wanted of each token; its terms of the loss need no tensors of the logits' size.

    Attributes:
      peak, floor, entropy: of the smoothed targets, times their share of the loss.
      vocab_size: number of tokens.
      soft: the `SoftTargets`, divided among the shares; None: there are none.
    """

    peak: float
    floor: float
    entropy: float
    vocab_size: int
    soft: Any

    @classmethod
    def of(cls, label_smoothing, vocab_size, soft):
        """Returns it for arguments of `projected_cross_entropy`."""
        share = 1.0 if soft is None else soft.task_balance
        smoothed = _smoothed_distribution(label_smoothing, vocab_size)
        peak, floor, entropy = (share * each for each in smoothed)
        return cls(peak, floor, entropy, vocab_size, soft)

    def costs(self, hidden_SMD, table_VD, targets_SM):
        """Returns its terms of the loss and minus their gradients.

        Returns:
          The costs, [S, M]; minus their gradient by the hidden states, [S, M, D], and by the logits
          of the teacher's K tokens, [S, M, K], or None.
        """
        # hidden . row_sum is the sum of a token's logits.
        row_sum_D = ops.sum(table_VD[: self.vocab_size], axis=0)
        wanted_SMD = self.peak * ops.take(table_VD, targets_SM, axis=0) + self.floor * row_sum_D
        costs_SM = -ops.sum(hidden_SMD * wanted_SMD, axis=-1) - self.entropy
        if self.soft is None:
            return costs_SM, wanted_SMD, None
        ids_SMK = self.soft.ids
        soft_SM, slopes_SMK = self.soft.costs(picked_logits(hidden_SMD, table_VD, ids_SMK))
        wanted_SMD += expected_rows(table_VD, ids_SMK, slopes_SMK)
        return costs_SM + soft_SM, wanted_SMD, slopes_SMK

    def terms(self, weighted_SMD, targets_SM, slopes_SMK, rows):
        """Returns the terms of the table's gradient, [rows, D]."""
        flat_ND = ops.reshape(weighted_SMD, (-1, weighted_SMD.shape[-1]))
        terms_VD = self.peak * ops.segment_sum(flat_ND, ops.reshape(targets_SM, (-1,)), rows)
        if self.soft is not None:
            terms_VD += scattered_rows(weighted_SMD, self.soft.ids, slopes_SMK, rows)
        if not self.floor:
            return terms_VD
        real_V1 = ops.cast(ops.arange(rows) < self.vocab_size, "float32")[:, None]
        return terms_VD + self.floor * real_V1 * ops.sum(flat_ND, axis=0)


def _chunks(hidden_SMD, table_VD, targets_SM, weights_SM, vocab_size, divergence_weight, soft):
    """Computes the terms of softmaxes and divergence, in chunks of the tokens of all shares.

    Returns:
      Float32 log-normalisers with the divergence [S, M], and their terms of the gradients of
      hidden [S, M, D] and of the table [V, D].
    """
    dtype = hidden_SMD.dtype
    shares, width, rows = hidden_SMD.shape[0], hidden_SMD.shape[-1], table_VD.shape[0]
    tokens = ops.shape(hidden_SMD)[1]
    chunks = (tokens + CHUNK_TOKENS - 1) // CHUNK_TOKENS
    # Chunks of equal size, so that the last one needs little padding.
    size = (tokens + chunks - 1) // chunks
    if divergence_weight:
        size += size % 2
    missing = chunks * size - tokens
    tensors = [hidden_SMD, targets_SM[..., None], weights_SM[..., None]]
    if soft is not None:
        tensors += [soft.ids, (soft.share * (1.0 - soft.kept))[..., None]]
    tensors = [ops.pad(each, [[0, 0], [0, missing], [0, 0]]) for each in tensors]
    hidden_SMD, _, weights_SM1, *_ = tensors
    table = ops.cast(table_VD, dtype)
    mask_V = MASKED * ops.cast(ops.arange(rows) >= vocab_size, "float32")

    def run_chunk(chunk, norms_SM1, softmax_SMD, grad_SVD):
        start = (0, chunk * size, 0)
        hidden_SCD, targets_SC1, weights_SC1, *others = (
            ops.slice(each, start, (shares, size, each.shape[-1])) for each in tensors
        )
        logits_SCV = ops.cast(_product(hidden_SCD, ops.transpose(table)), "float32")
        if vocab_size < rows:
            logits_SCV = logits_SCV + mask_V
        norms_SC1, softmax_SCV = _softmax_terms(logits_SCV, targets_SC1, divergence_weight, others)
        softmax_SCV = ops.cast(softmax_SCV, dtype)
        softmax_SCD = ops.cast(_product(softmax_SCV, table), "float32") * weights_SC1
        scaled_SCD = ops.cast(ops.cast(hidden_SCD, "float32") * weights_SC1, dtype)
        # Summed over the shares only after the loop: one all-reduce instead of one a chunk.
        added_SVD = ops.cast(_transposed_product(softmax_SCV, scaled_SCD), "float32")
        return (
            chunk + 1,
            ops.slice_update(norms_SM1, start, norms_SC1),
            ops.slice_update(softmax_SMD, start, softmax_SCD),
            grad_SVD + added_SVD,
        )

    _, norms_SM1, softmax_SMD, grad_SVD = ops.while_loop(
        lambda chunk, *_: chunk < chunks,
        run_chunk,
        (
            ops.zeros((), "int32"),
            ops.zeros_like(weights_SM1),
            ops.zeros_like(hidden_SMD, dtype="float32"),
            ops.zeros((shares, rows, width), "float32"),
        ),
    )
    return norms_SM1[:, :tokens, 0], softmax_SMD[:, :tokens], ops.sum(grad_SVD, axis=0)


def _softmax_terms(logits_SCV, targets_SC1, divergence_weight, others):
    """Computes what a token costs beside the known terms, and its gradient by the logits.

    Args:
      logits_SCV, targets_SC1, divergence_weight: of a chunk.
      others: the teacher's ids, [S, C, K], and the share of the loss that asks for other tokens,
        [S, C, 1]; empty: there is no teacher.

    Returns:
      The log-normaliser with the divergence and less that of the other tokens times its share,
      [S, C, 1], and the softmax with their gradient, [S, C, V].
    """
    # One operation, and on CPUs one pass over the logits; exp, sum and quotient take six.
    softmax_SCV = ops.softmax(logits_SCV)
    norms_SC1, slopes_SCV = _log_normaliser(logits_SCV, softmax_SCV, targets_SC1), softmax_SCV
    if others:
        ids_SCK, share_SC1 = others
        others_SCV = replaced(softmax_SCV, ids_SCK, 0.0)
        sum_SC1 = ops.maximum(ops.sum(others_SCV, axis=-1, keepdims=True), SMALLEST)
        norms_SC1 -= share_SC1 * (norms_SC1 + ops.log(sum_SC1))
        slopes_SCV -= share_SC1 / sum_SC1 * others_SCV
    if divergence_weight:
        value_SC1, slope_SCV = _divergence_of_neighbours(logits_SCV, softmax_SCV)
        norms_SC1 += divergence_weight * value_SC1
        slopes_SCV += divergence_weight * slope_SCV
    return norms_SC1, slopes_SCV


def _log_normaliser(logits_SCV, softmax_SCV, targets_SC1):
    """Returns logsumexp of the logits, [S, C, 1], from one token's logit and probability.

    The token is the target, or the likeliest one of each position where a target's probability is
    too small for float32. JAX always takes the likeliest: it doesn't need passes of its own there,
    and devices that share the vocabulary would exchange all logits to look up the target's.
    """

    def of_likeliest():
        top_SC1 = ops.max(softmax_SCV, axis=-1, keepdims=True)
        return ops.max(logits_SCV, axis=-1, keepdims=True) - ops.log(top_SC1)

    if keras.backend.backend() == "jax":
        return of_likeliest()
    likelihood_SC1 = ops.take_along_axis(softmax_SCV, targets_SC1, axis=-1)

    def of_target():
        return ops.take_along_axis(logits_SCV, targets_SC1, axis=-1) - ops.log(likelihood_SC1)

    return ops.cond(ops.min(likelihood_SC1) > SMALLEST, of_target, of_likeliest)


def _divergence_of_neighbours(logits_SCV, softmax_SCV):
    """Computes the divergence of tokens 2k and 2k + 1, and its gradient by the logits.

    Returns:
      [S, C, 1], half of a pair's divergence for each of the two, and [S, C, V].
    """
    shares, width = logits_SCV.shape[0], logits_SCV.shape[-1]
    logits, softmax = (
        ops.reshape(each, (shares, -1, 2, width)) for each in (logits_SCV, softmax_SCV)
    )
    # From each token's own point of view: its distribution p, the other's q, log p - log q.
    excess = softmax - ops.flip(softmax, axis=2)
    gap = logits - ops.flip(logits, axis=2)
    value = 0.5 * ops.sum(excess * gap, axis=-1, keepdims=True)
    slope = excess + softmax * (gap - ops.sum(softmax * gap, axis=-1, keepdims=True))
    return ops.reshape(value, (shares, -1, 1)), ops.reshape(slope, (shares, -1, width))


def _product(left_SCK, right_KN):
    """[S, C, K] x [K, N] -> [S, C, N]; one share uses TensorFlow's faster unbatched product."""
    if left_SCK.shape[0] == 1:
        return ops.matmul(left_SCK[0], right_KN)[None]
    return ops.matmul(left_SCK, right_KN)


def _transposed_product(softmax_SCV, scaled_SCD):
    """[S, C, V] x [S, C, D] -> [S, V, D]."""
    if softmax_SCV.shape[0] == 1:
        return ops.matmul(ops.transpose(softmax_SCV[0]), scaled_SCD[0])[None]
    return ops.matmul(ops.transpose(softmax_SCV, (0, 2, 1)), scaled_SCD)
