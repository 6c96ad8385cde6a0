"""The training loss. Shape letters as in `t2tlite.model.layers`."""

import math

from keras import ops


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
    vocab_size = logits_BTV.shape[-1]
    log_norm_BT = ops.logsumexp(logits_BTV, axis=-1)
    picked = ops.take_along_axis(logits_BTV, targets_BT[..., None], axis=-1)[..., 0]
    if not label_smoothing or vocab_size < 2:
        return log_norm_BT - picked
    on, off = 1.0 - label_smoothing, label_smoothing / (vocab_size - 1)
    # The expectation of the logits under the smoothed distribution, without building it.
    expected = (on - off) * picked + off * ops.sum(logits_BTV, axis=-1)
    least = -(on * math.log(on) + (vocab_size - 1) * off * math.log(off + 1e-20))
    return log_norm_BT - expected - least


def weights(targets_BT, modality):
    """Returns float32 [B, T]: 1 where a position counts, 0 for padding; every class label counts."""
    if modality == "class_label":
        return ops.ones_like(targets_BT, dtype="float32")
    return ops.cast(ops.not_equal(targets_BT, 0), "float32")
