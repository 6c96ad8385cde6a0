"""Constraints on the ids of a search, as wrappers of its step function.

Each takes a step (see `t2tlite.search.search`) and returns one that masks the logits of forbidden
ids. So every search obeys them, and a forced id doesn't change a hypothesis's score.

Shapes: N rows, P prefix, T steps, V vocabulary.
"""

from __future__ import annotations

from keras import ops

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.model.layers import MASKED
from t2tlite.search.beams import write
from t2tlite.search.search import Cache, Step, Tensor


def forced(step: Step, prefix_NP: Tensor) -> Step:
    """Forces each row to begin with its prefix, int32 [N, P]; PAD in it forces nothing."""

    def forced_step(ids_N, position, cache):
        logits_NV, cache = step(ids_N, position, cache)
        width = ops.shape(prefix_NP)[1]
        forced_N = ops.take(prefix_NP, ops.minimum(position, width - 1), axis=1)
        forced_N = ops.where(position < width, forced_N, PAD_ID)
        ids_1V = ops.arange(logits_NV.shape[-1], dtype="int32")[None]
        only_NV = ops.where(ids_1V == forced_N[:, None], 0.0, MASKED)
        return ops.where(forced_N[:, None] != PAD_ID, only_NV, logits_NV), cache

    return forced_step


def at_least(step: Step, min_lengths_N: Tensor) -> Step:
    """Forbids EOS and PAD before a row has `min_lengths_N` (int32) ids."""

    def at_least_step(ids_N, position, cache):
        logits_NV, cache = step(ids_N, position, cache)
        ends_2 = ops.convert_to_tensor([PAD_ID, EOS_ID], "int32")
        ends_N2 = ops.zeros_like(ids_N)[:, None] + ends_2
        rows_N2 = ops.zeros_like(ends_N2) + ops.arange(ops.shape(ids_N)[0], dtype="int32")[:, None]
        logits_N2 = ops.take(logits_NV, ends_2, axis=1)
        banned_N2 = ops.where((position < min_lengths_N)[:, None], MASKED, logits_N2)
        # A mask would read and write all logits.
        index_M2 = ops.reshape(ops.stack([rows_N2, ends_N2], axis=-1), (-1, 2))
        return ops.scatter_update(logits_NV, index_M2, ops.reshape(banned_N2, (-1,))), cache

    return at_least_step


def no_repeat(step: Step, cache: Cache, size: int, written_NT: Tensor) -> tuple[Step, Cache]:
    """Forbids an n-gram of `size` ids to occur twice in a row.

    Args:
      step: the step to wrap.
      cache: its cache at position 0.
      size: n; 1: no id occurs twice.
      written_NT: int32 zeros, to hold the ids of all steps.

    Returns:
      The step and its cache, which holds the ids of each row too.
    """

    def no_repeat_step(ids_N, position, cache):
        logits_NV, inner = step(ids_N, position, cache["inner"])
        # At position 0 there is no id to write, and position -1 writes nothing.
        written_NT = write(cache["written"], position - 1, ids_N)
        max_steps, vocab_size = ops.shape(written_NT)[1], logits_NV.shape[-1]
        steps_T = ops.arange(max_steps, dtype="int32")
        # Whether the n-gram that ends at a position begins like the newest ids.
        matches_NT = ((steps_T >= size - 1) & (steps_T < position))[None] & (written_NT != PAD_ID)
        for back in range(1, size):
            newest_N = ops.take(written_NT, ops.maximum(position - back, 0), axis=1)
            earlier_NT = ops.pad(written_NT, [[0, 0], [back, 0]])[:, :max_steps]
            matches_NT = matches_NT & (earlier_NT == newest_N[:, None])
        # Positions that forbid nothing scatter to an extra column, which is cut off again.
        banned_NT = ops.where(matches_NT, written_NT, vocab_size)
        rows_N1 = ops.arange(ops.shape(ids_N)[0], dtype="int32")[:, None]
        rows_NT = ops.zeros_like(written_NT) + rows_N1
        indices_M2 = ops.reshape(ops.stack([rows_NT, banned_NT], axis=-1), (-1, 2))
        masks_M = ops.zeros_like(indices_M2[:, 0], dtype=logits_NV.dtype) + MASKED
        wide_NV = ops.scatter_update(ops.pad(logits_NV, [[0, 0], [0, 1]]), indices_M2, masks_M)
        return wide_NV[:, :vocab_size], {"inner": inner, "written": written_NT}

    return no_repeat_step, {"inner": cache, "written": written_NT}
