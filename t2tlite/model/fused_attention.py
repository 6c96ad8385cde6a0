"""Attention in one kernel, where JAX runs on a GPU: cuDNN's, through Keras.

The weights [B, H, Q, K] never exist, so memory grows with the length instead of its square. On an
H100, rows of 256 tokens still train faster with the plain products (`benchmarks/results/gpu.md`),
so short rows don't use the kernel.

JAX gives cuDNN's dropout the same mask at each step, so training with attention_dropout does
without the kernel.

Shapes: as in `t2tlite.model.layers`.
"""

import functools
import logging
import os

import keras
from keras import ops

from t2tlite.model.attention_weights import is_recording

log = logging.getLogger(__name__)

# Set to 0, it turns the kernel off.
VARIABLE = "T2TLITE_FUSED_ATTENTION"
# The fewest keys for which the kernel is used.
LEAST_KEYS = 512


@functools.cache
def _is_available():
    if keras.backend.backend() != "jax" or os.environ.get(VARIABLE) == "0":
        return False
    return keras.distribution.list_devices()[0].startswith(("gpu", "cuda"))


@functools.cache
def _warn(reason):
    """Says once that the kernel can't run, and why."""
    log.warning("attention without cuDNN's kernel: %s", reason)


def can_attend(queries_BHQD, keys_BHKD, values_BHKD, training, drops):
    """Whether to try the kernel; arguments as `attend`."""
    queries, keys = queries_BHQD.shape[2], keys_BHKD.shape[2]
    return (
        _is_available()
        and not drops
        and not is_recording()
        and keys >= LEAST_KEYS
        and keras.backend.standardize_dtype(queries_BHQD.dtype) in ("bfloat16", "float16")
        and queries_BHQD.shape[3] == values_BHKD.shape[3]
        # One query, a step of decoding, is no work for it.
        and queries > 1
        # The backward pass needs even lengths.
        and not (training and (queries % 2 or keys % 2))
    )


def attend(queries_BHQD, keys_BHKD, values_BHKD, bias, training, drops):
    """Returns the mix of values that attention gives, [B, H, Q, D], or None.

    Args:
      queries_BHQD: scaled queries.
      keys_BHKD, values_BHKD: of as many heads, or of groups of heads.
      bias: added to the logits, broadcast to [B, H, Q, K].
      training: whether there will be a backward pass.
      drops: whether there is dropout of the weights.

    Returns:
      None where the kernel can't run; then the caller computes the products.
    """
    if not can_attend(queries_BHQD, keys_BHKD, values_BHKD, training, drops):
        return None
    try:
        return dot_product_attention(queries_BHQD, keys_BHKD, values_BHKD, bias)
    except Exception as error:
        # JAX's checks raise many types: of the GPU, of cuDNN's version, of the width of a head.
        _warn(str(error).partition("\n")[0] or type(error).__name__)
        return None


def dot_product_attention(queries_BHQD, keys_BHKD, values_BHKD, bias, flash_attention=True):
    """Returns the mix of values; without flash_attention from Keras's plain products."""
    lengths = queries_BHQD.shape[2], keys_BHKD.shape[2]
    bias = ops.cast(bias, queries_BHQD.dtype)
    mixed_BQHD = ops.dot_product_attention(
        *(ops.transpose(x, (0, 2, 1, 3)) for x in (queries_BHQD, keys_BHKD, values_BHKD)),
        # cuDNN broadcasts over rows and heads only.
        bias=ops.broadcast_to(bias, (*bias.shape[:2], *lengths)),
        scale=1.0,
        flash_attention=flash_attention,
    )
    return ops.transpose(mixed_BQHD, (0, 2, 1, 3))
