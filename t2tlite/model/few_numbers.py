"""Softmax and products that are quicker for the few numbers of a decoding step."""

import math

from keras import ops


def softmax(logits_BHQK, is_step):
    """Returns the attention weights of logits.

    Args:
      logits_BHQK: float32.
      is_step: whether it is one position: so few numbers that simple operations are done before a
        library's threads wake up.
    """
    if not is_step:
        return ops.softmax(logits_BHQK)
    weights_BHQK = ops.exp(logits_BHQK - ops.max(logits_BHQK, axis=-1, keepdims=True))
    return weights_BHQK / ops.sum(weights_BHQK, axis=-1, keepdims=True)


def product(a_BHMK, b_BHKN):
    """Returns `ops.matmul(a, b)`; of a few small vectors without a library's threads."""
    vectors = a_BHMK.shape[:3]
    if None in vectors or math.prod(vectors) > 128:
        return ops.matmul(a_BHMK, b_BHKN)
    return ops.sum(a_BHMK[..., None] * b_BHKN[:, :, None], axis=3)
