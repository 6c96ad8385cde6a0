"""What an answer must or must not hold, as wrappers of a search's step function.

Each takes a step (see `t2tlite.model.search`) and returns another, whose logits ban ids. So every
search keeps to them, and scores count only what the model was free to choose.

Shapes: N rows, P prefix, T steps, V vocabulary.
"""

from __future__ import annotations

from keras import ops

from t2tlite.config import PAD_ID
from t2tlite.model.beams import write
from t2tlite.model.layers import MASKED
from t2tlite.model.search import Cache, Step, Tensor


def forced(step: Step, prefix_NP: Tensor) -> Step:
    """Makes each row begin with its prefix; a place of PAD in it forces nothing.

    Args:
      step: to be wrapped.
      prefix_NP: int32 ids.
    """

    def forced_step(ids_N, position, cache):
        logits_NV, cache = step(ids_N, position, cache)
        width = ops.shape(prefix_NP)[1]
        wanted_N = ops.take(prefix_NP, ops.minimum(position, width - 1), axis=1)
        wanted_N = ops.where(position < width, wanted_N, ops.zeros_like(wanted_N))
        ids_1V = ops.arange(logits_NV.shape[-1], dtype="int32")[None]
        only_NV = ops.where(ids_1V == wanted_N[:, None], 0.0, MASKED)
        return ops.where(wanted_N[:, None] != PAD_ID, only_NV, logits_NV), cache

    return forced_step


def at_least(step: Step, min_lengths_N: Tensor, eos_id: int) -> Step:
    """Lets no row end, nor hold padding, before it has its least number of ids.

    Args:
      step: to be wrapped.
      min_lengths_N: int32, the ids before EOS.
      eos_id: the id that ends a row.
    """

    def longer_step(ids_N, position, cache):
        logits_NV, cache = step(ids_N, position, cache)
        ids_1V = ops.arange(logits_NV.shape[-1], dtype="int32")[None]
        ends_1V = (ids_1V == eos_id) | (ids_1V == PAD_ID)
        banned_NV = (position < min_lengths_N)[:, None] & ends_1V
        return ops.where(banned_NV, MASKED, logits_NV), cache

    return longer_step


def no_repeat(step: Step, cache: Cache, size: int, written_NT: Tensor) -> tuple[Step, Cache]:
    """Lets no run of `size` ids come a second time within a row.

    Args:
      step: to be wrapped.
      cache: its cache at position 0.
      size: ids of a run; 1: no id comes twice.
      written_NT: int32 zeros, the room for all steps.

    Returns:
      The step and its cache, which keeps what each row has written.
    """

    def fresh_step(ids_N, position, cache):
        logits_NV, inner = step(ids_N, position, cache["inner"])
        # Nothing was chosen before position 0, and -1 is no place.
        written_NT = write(cache["written"], position - 1, ids_N)
        room, vocab_size = ops.shape(written_NT)[1], logits_NV.shape[-1]
        steps_T = ops.arange(room, dtype="int32")
        # Whether a run that ends at a place began as the newest ids do.
        alike_NT = ((steps_T >= size - 1) & (steps_T < position))[None] & (written_NT != PAD_ID)
        for back in range(1, size):
            newest_N = ops.take(written_NT, ops.maximum(position - back, 0), axis=1)
            earlier_NT = ops.pad(written_NT, [[0, 0], [back, 0]])[:, :room]
            alike_NT = alike_NT & (earlier_NT == newest_N[:, None])
        # What bans nothing goes to a column of its own, which is cut off again.
        banned_NT = ops.where(alike_NT, written_NT, vocab_size)
        rows_N1 = ops.arange(ops.shape(ids_N)[0], dtype="int32")[:, None]
        rows_NT = ops.zeros_like(written_NT) + rows_N1
        places_M2 = ops.reshape(ops.stack([rows_NT, banned_NT], axis=-1), (-1, 2))
        masks_M = ops.zeros_like(places_M2[:, 0], dtype=logits_NV.dtype) + MASKED
        wide_NV = ops.scatter_update(ops.pad(logits_NV, [[0, 0], [0, 1]]), places_M2, masks_M)
        return wide_NV[:, :vocab_size], {"inner": inner, "written": written_NT}

    return fresh_step, {"inner": cache, "written": written_NT}
