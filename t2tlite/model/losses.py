"""The training loss.

Shape letters as in `t2tlite.model.layers`; M tokens of a batch, K chunks, C tokens of a chunk.
"""

import math

from keras import ops

from t2tlite.model.layers import MASKED

# Most tokens whose logits exist at a time; benchmarks/loss.py measures the choice.
CHUNK_TOKENS = 1024


def weights(targets_BT, modality):
    """Returns float32 [B, T]: 1 where a position counts, 0 for padding; all class labels count."""
    if modality == "class_label":
        return ops.ones_like(targets_BT, dtype="float32")
    return ops.cast(ops.not_equal(targets_BT, 0), "float32")


def _smoothed(label_smoothing, vocab_size):
    """Returns the target's share beyond the others', the others', and the entropy of it all."""
    if not label_smoothing or vocab_size < 2:
        return 1.0, 0.0, 0.0
    on, off = 1.0 - label_smoothing, label_smoothing / (vocab_size - 1)
    entropy = -(on * math.log(on) + (vocab_size - 1) * off * math.log(off + 1e-20))
    return on - off, off, entropy


def cross_entropy(logits_BTV, targets_BT, label_smoothing=0.0):
    """Label-smoothed cross-entropy of each position, in nats (Szegedy et al. 2016, as in T2T).

    The target gets probability 1 - label_smoothing and every other token an equal part of the rest;
    the entropy of that distribution is subtracted, so that a perfect prediction costs 0.

    Args:
      logits_BTV: float32.
      targets_BT: int32 ids.
      label_smoothing: between 0 and 1.

    Returns:
      float32 [B, T].
    """
    peak, floor, entropy = _smoothed(label_smoothing, logits_BTV.shape[-1])
    log_norm_BT = ops.logsumexp(logits_BTV, axis=-1)
    picked_BT = ops.take_along_axis(logits_BTV, targets_BT[..., None], axis=-1)[..., 0]
    loss_BT = log_norm_BT - peak * picked_BT - entropy
    return loss_BT - floor * ops.sum(logits_BTV, axis=-1) if floor else loss_BT


def projected_cross_entropy(
    hidden_BTD, table_VD, targets_BT, weights_BT, label_smoothing=0.0, vocab_size=None
):
    """Sum of the weighted cross-entropy of hidden @ table^T, without ever holding all logits.

    Logits are made for at most CHUNK_TOKENS tokens at a time, and the gradient is computed on the
    way: the loss is a sum, so its gradient needs nothing of what comes after. Value and gradients
    are those of `cross_entropy` on dense logits. Only exp(logits) is as large as the logits are;
    what label smoothing and the targets add to the gradient is computed from [M, D] tensors.

    Args:
      hidden_BTD: the decoder's output, float32 or bfloat16.
      table_VD: the output embedding, float32; rows from vocab_size on are no tokens.
      targets_BT: int32 ids.
      weights_BT: float32, 0 where a position doesn't count.
      label_smoothing: between 0 and 1.
      vocab_size: tokens; by default all rows.

    Returns:
      A float32 scalar.
    """
    width, rows = hidden_BTD.shape[-1], table_VD.shape[0]
    vocab_size = vocab_size or rows
    peak, floor, entropy = _smoothed(label_smoothing, vocab_size)
    targets_M = ops.reshape(targets_BT, (-1,))
    weights_M = ops.reshape(weights_BT, (-1,))

    @ops.custom_gradient
    def total(hidden_MD, table_VD):
        norms_M, pulled_MD, grad_VD = _chunks(hidden_MD, table_VD, weights_M, vocab_size)
        hidden32_MD = ops.cast(hidden_MD, "float32")
        wanted_MD = ops.take(table_VD, targets_M, axis=0)
        # The sum over all tokens' rows of the table gives the sum of the logits.
        row_sum_D = ops.sum(table_VD[:vocab_size], axis=0)
        expected_M = ops.sum(hidden32_MD * (peak * wanted_MD + floor * row_sum_D), axis=-1)
        value = ops.sum(weights_M * (norms_M - expected_M - entropy))

        def grad(*args, upstream=None):
            scalar = upstream if upstream is not None else args[-1]
            w_M1 = weights_M[:, None]
            hidden_grad = pulled_MD - w_M1 * (peak * wanted_MD + floor * row_sum_D)
            weighted_MD = w_M1 * hidden32_MD
            table_grad = grad_VD - peak * ops.segment_sum(weighted_MD, targets_M, rows)
            if floor:
                real_V1 = ops.cast(ops.arange(rows) < vocab_size, "float32")[:, None]
                table_grad -= floor * real_V1 * ops.sum(weighted_MD, axis=0)
            return ops.cast(scalar * hidden_grad, hidden_MD.dtype), scalar * table_grad

        return value, grad

    return total(ops.reshape(hidden_BTD, (-1, width)), ops.convert_to_tensor(table_VD))


def _chunks(hidden_MD, table_VD, weights_M, vocab_size):
    """Runs over the tokens in chunks.

    Returns:
      Log-normalisers [M], and the softmax's part of the gradients of hidden [M, D] and of the
      table [V, D], all float32.
    """
    dtype = hidden_MD.dtype
    width, rows = hidden_MD.shape[-1], table_VD.shape[0]
    tokens = ops.shape(hidden_MD)[0]
    chunks = (tokens + CHUNK_TOKENS - 1) // CHUNK_TOKENS
    # Equal chunks: as few tokens as can be are only there to fill up the last one.
    size = (tokens + chunks - 1) // chunks
    missing = chunks * size - tokens
    hidden_MD = ops.pad(hidden_MD, [[0, missing], [0, 0]])
    weights_M1 = ops.pad(weights_M, [[0, missing]])[:, None]
    table = ops.cast(table_VD, dtype)
    mask_V = MASKED * ops.cast(ops.arange(rows) >= vocab_size, "float32")

    def one(chunk, norms_M1, pulled_MD, grad_VD):
        start = chunk * size
        hidden_CD = ops.slice(hidden_MD, (start, 0), (size, width))
        weights_C1 = ops.slice(weights_M1, (start, 0), (size, 1))
        logits_CV = ops.cast(ops.matmul(hidden_CD, ops.transpose(table)), "float32")
        if vocab_size < rows:
            logits_CV = logits_CV + mask_V
        top_C1 = ops.max(logits_CV, axis=-1, keepdims=True)
        exp_CV = ops.exp(logits_CV - top_C1)
        sum_C1 = ops.sum(exp_CV, axis=-1, keepdims=True)
        # softmax^T x = exp^T (x / sum): dividing [C, D] spares a pass over [C, V].
        scale_C1 = weights_C1 / sum_C1
        exp_CV = ops.cast(exp_CV, dtype)
        pulled_CD = ops.cast(ops.matmul(exp_CV, table), "float32") * scale_C1
        scaled_CD = ops.cast(ops.cast(hidden_CD, "float32") * scale_C1, dtype)
        pushed_VD = ops.cast(ops.matmul(ops.transpose(exp_CV), scaled_CD), "float32")
        return (
            chunk + 1,
            ops.slice_update(norms_M1, (start, 0), ops.log(sum_C1) + top_C1),
            ops.slice_update(pulled_MD, (start, 0), pulled_CD),
            grad_VD + pushed_VD,
        )

    _, norms_M1, pulled_MD, grad_VD = ops.while_loop(
        lambda chunk, *_: chunk < chunks,
        one,
        (
            ops.zeros((), "int32"),
            ops.zeros_like(weights_M1),
            ops.zeros_like(hidden_MD, dtype="float32"),
            ops.zeros((rows, width), "float32"),
        ),
    )
    return norms_M1[:tokens, 0], pulled_MD[:tokens], grad_VD
