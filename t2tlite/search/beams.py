"""The state of a beam search: live and finished hypotheses, and how a step extends them.

The algorithm is T2T's. A step extends each of the K live hypotheses by each id and keeps the
C = 2 * K most probable extensions. The K most probable of those that don't end in EOS stay live.
Those that do compete with the finished hypotheses for K places, by score: log probability / length
penalty.

Shapes: B batch, K beam, N = B * K (the beams of a row are neighbours), C candidates, T steps,
V vocabulary, M entries to choose from, in G groups of W.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from t2tlite.config import EOS_ID, PAD_ID

Tensor = Any

# Score of an empty place in an n-best list; T2T's value.
MISSING_SCORE = -1e7

_IMPOSSIBLE = float("-inf")


def length_penalty(length: Tensor, alpha: float | Tensor) -> Tensor:
    """Returns ((5 + length) / 6) ** alpha, length including EOS (Wu et al. 2016, equation 14)."""
    return ((5.0 + ops.cast(length, "float32")) / 6.0) ** alpha


class Beams(NamedTuple):
    """The live and the finished hypotheses of each row, both best first.

    An empty place has log probability or score -inf.

    Attributes:
      live_ids_BKT: int32, PAD from the next position on.
      log_probs_BK: float32, of the live hypotheses.
      last_BK: int32, the newest ids of the live hypotheses.
      finished_ids_BKT: int32, with EOS, and PAD after it.
      finished_scores_BK: float32, log probability / length penalty.
      done_B: bool, whether the row's search has ended.
    """

    live_ids_BKT: Tensor
    log_probs_BK: Tensor
    last_BK: Tensor
    finished_ids_BKT: Tensor
    finished_scores_BK: Tensor
    done_B: Tensor

    @classmethod
    def start(cls, limits_B, beam_size, max_steps) -> Beams:
        """Returns one empty live hypothesis a row; a row of limit 0 is done already."""
        shape = (ops.shape(limits_B)[0], beam_size)
        pad_BKT = ops.full((*shape, max_steps), PAD_ID, "int32")
        empty_BK = ops.full(shape, _IMPOSSIBLE, "float32")
        return cls(
            live_ids_BKT=pad_BKT,
            log_probs_BK=ops.where(ops.arange(beam_size) == 0, 0.0, empty_BK),
            last_BK=ops.zeros(shape, "int32"),
            finished_ids_BKT=pad_BKT,
            finished_scores_BK=empty_BK,
            done_B=limits_B <= 0,
        )

    def extend(self, logits_NV, position, alpha) -> tuple[Beams, Tensor]:
        """Extends the live hypotheses by one id.

        2 * K candidates are enough: at most K of them, one of each beam, end. A logit that is NaN
        or infinite makes the row's scores NaN.

        Returns:
          The new state, and the indices [B, K] of the beams that the live hypotheses extend.
        """
        shape, vocab_size = ops.shape(self.log_probs_BK), logits_NV.shape[-1]
        beam_size = shape[1]
        logits_NV = ops.cast(logits_NV, "float32")
        totals_N = log_sum_exp(logits_NV, fast_top_k(logits_NV, 1)[1][:, 0])
        totals_BK = ops.reshape(totals_N, shape)

        def log_probs(logits, pick_beams):
            # As T2T computes them. Rounding keeps their order, so that the logits decide.
            return logits - pick_beams(totals_BK) + pick_beams(self.log_probs_BK)

        logits_BKV = ops.reshape(logits_NV, (*shape, vocab_size))
        log_probs_BC, index_BC = _grouped_top_k(logits_BKV, 2 * beam_size, log_probs)
        # A banned id may have a large negative logit rather than -inf.
        log_probs_BC = ops.where(log_probs_BC > MISSING_SCORE, log_probs_BC, _IMPOSSIBLE)
        parents_BC, chosen_BC = index_BC // vocab_size, index_BC % vocab_size
        ids_BCT = write(pick(self.live_ids_BKT, parents_BC), position, chosen_BC)
        ends_BC = chosen_BC == EOS_ID

        log_probs_BK, live_BK = ops.top_k(ops.where(ends_BC, _IMPOSSIBLE, log_probs_BC), beam_size)
        scores_BC = log_probs_BC / length_penalty(position + 1, alpha)
        ended_BC = ops.where(ends_BC, scores_BC, _IMPOSSIBLE)
        scores_BM = ops.concatenate([self.finished_scores_BK, ended_BC], axis=1)
        finished_scores_BK, finished_BK = ops.top_k(scores_BM, beam_size)
        ids_BMT = ops.concatenate([self.finished_ids_BKT, ids_BCT], axis=1)
        # A single NaN or infinite logit makes all log probabilities of a hypothesis NaN.
        is_nan_BK = ops.isnan(totals_BK)
        is_nan_B1 = ops.any(is_nan_BK, axis=1, keepdims=True)
        extended = Beams(
            live_ids_BKT=pick(ids_BCT, live_BK),
            log_probs_BK=ops.where(is_nan_B1, float("nan"), log_probs_BK),
            last_BK=pick(chosen_BC, live_BK),
            finished_ids_BKT=pick(ids_BMT, finished_BK),
            finished_scores_BK=ops.where(is_nan_B1, float("nan"), finished_scores_BK),
            done_B=self.done_B,
        )
        return extended, pick(parents_BC, live_BK)

    def hypotheses(self, limits_B, alpha):
        """Returns ids [B, K, T] and scores [B, K] of the finished hypotheses of each row.

        A row without any returns its live hypotheses, with the length penalty of its limit.
        """
        live_scores_BK = self.log_probs_BK / length_penalty(limits_B, alpha)[:, None]
        any_B1 = self.finished_scores_BK[:, :1] > _IMPOSSIBLE
        scores_BK = ops.where(any_B1, self.finished_scores_BK, live_scores_BK)
        ids_BKT = ops.where(any_B1[..., None], self.finished_ids_BKT, self.live_ids_BKT)
        ids_BKT = ops.where((scores_BK > _IMPOSSIBLE)[..., None], ids_BKT, PAD_ID)
        # Not `maximum`, which may drop a NaN.
        return ids_BKT, ops.where(scores_BK < MISSING_SCORE, MISSING_SCORE, scores_BK)


def fast_top_k(x_BM, count):
    """Returns `ops.top_k(x_BM, count)`, faster where M is large; M must be static."""
    return _grouped_top_k(x_BM[:, None], count, lambda x, pick_beams: x)


def _grouped_top_k(x_BKM, count, adjust, width=64):
    """Finds the largest values of each row, over all of its beams.

    The `count` largest are in the `count` groups, of `width` neighbours each, that have the largest
    maxima, and a maximum is cheap. So most entries are read once and never adjusted.

    Args:
      x_BKM: entries; M must be static.
      count: C.
      adjust: adjust(x, pick_beams) computes values from entries, in the same order as these within
        a beam. `pick_beams(y_BK)` is y for each entry.

    Returns:
      The C largest values, descending, and their indices among a row's K * M, int32. Of equal
      values the first wins, as in `ops.top_k`.
    """
    batch_size, beam_size, size = ops.shape(x_BKM)
    groups = -(-size // width)
    if beam_size * groups <= 2 * count:
        values_BKM = adjust(x_BKM, lambda y_BK: y_BK[..., None])
        return ops.top_k(ops.reshape(values_BKM, (batch_size, beam_size * size)), count)
    if padding := groups * width - size:
        x_BKM = ops.pad(x_BKM, [[0, 0], [0, 0], [0, padding]], constant_values=_IMPOSSIBLE)
    groups_BGW = ops.reshape(x_BKM, (batch_size, beam_size * groups, width))
    maxima_BKG = ops.reshape(ops.max(groups_BGW, axis=-1), (batch_size, beam_size, groups))
    maxima_BKG = adjust(maxima_BKG, lambda y_BK: y_BK[..., None])
    maxima_BG = ops.reshape(maxima_BKG, (batch_size, beam_size * groups))
    _, group_BC = ops.top_k(maxima_BG, count)
    # Sorted, so that the first of equal values wins.
    group_BC = ops.sort(group_BC, axis=-1)
    beam_BC = group_BC // groups
    values_BCW = adjust(pick(groups_BGW, group_BC), lambda y_BK: pick(y_BK, beam_BC)[..., None])
    values_BC, place_BC = ops.top_k(ops.reshape(values_BCW, (batch_size, count * width)), count)
    group_BC = pick(group_BC, place_BC // width)
    entry_BC = group_BC % groups * width + place_BC % width
    # Padding is taken only where all values are -inf.
    entry_BC = ops.minimum(entry_BC, size - 1)
    return values_BC, group_BC // groups * size + entry_BC


def log_sum_exp(logits_NV, best_N):
    """Returns `ops.logsumexp` of each row, where `best_N` is the index of its largest logit.

    The probability of an id is exp(its logit - the result), and softmax is one pass over the logits
    where a sum of exponentials writes all of them several times.
    """
    best_N1 = best_N[:, None]
    probabilities_N = pick(ops.softmax(logits_NV), best_N1)[:, 0]
    return pick(logits_NV, best_N1)[:, 0] - ops.log(probabilities_N)


def reorder(cache, parents_BK):
    """Returns the cache whose row for each beam is that of the beam it extends."""
    batch_size, beam_size = ops.shape(parents_BK)
    rows_B1 = ops.arange(batch_size, dtype="int32")[:, None] * beam_size
    parents_N = ops.reshape(parents_BK + rows_B1, (-1,))
    return keras.tree.map_structure(lambda x: ops.take(x, parents_N, axis=0), cache)


def freeze(old, new):
    """Returns the new state, but the old one of rows that were done already."""

    def row(x, y):
        return ops.where(ops.reshape(old.done_B, (-1,) + (1,) * (len(x.shape) - 1)), x, y)

    return type(old)(*map(row, old, new))


def pick(x_BM, index_BC):
    """Takes entries of the second axis by an index of each row's own; x may have more axes."""
    batch_size, entries, *rest = ops.shape(x_BM)
    rows_B1 = ops.arange(batch_size, dtype="int32")[:, None] * entries
    return ops.take(ops.reshape(x_BM, (-1, *rest)), index_BC + rows_B1, axis=0)


def write(ids_T, position, chosen):
    """Sets `ids_T[..., position]`, by a mask so that the shape stays static."""
    is_position_T = ops.arange(ops.shape(ids_T)[-1], dtype="int32") == position
    return ops.where(is_position_T, chosen[..., None], ids_T)
