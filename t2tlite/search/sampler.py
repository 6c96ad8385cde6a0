"""Draws ids from the distributions that a model predicts; shapes as in `search.search`."""

from __future__ import annotations

from keras import ops

from t2tlite.errors import HParamsError
from t2tlite.search.beams import fast_top_k, pick
from t2tlite.search.loop import of_rows


def make_sampler(uniform_TB, temperature, top_k, top_p, most_B=None):
    """Returns a function that chooses ids as `search.sample` does, by random numbers in [0, 1)."""
    if isinstance(temperature, int | float) and temperature <= 0:
        raise HParamsError(f"temperature={temperature} is not above 0; for 0 use greedy search")

    def choose(logits_BV, position, rows_R=None):
        uniform_B = of_rows(ops.take(uniform_TB, position, axis=0), rows_R)
        scaled_BV = logits_BV / _column(temperature, rows_R)
        return _draw(scaled_BV, uniform_B, top_k, _column(top_p, rows_R), _column(most_B, rows_R))

    return choose


def _column(value, rows_R):
    """Returns what is for each row as [R, 1], and what is for all rows as it is."""
    if value is None or isinstance(value, int | float):
        return value
    return of_rows(value, rows_R)[:, None]


def _draw(logits_BV, uniform_B, top_k, top_p, most_B1):
    """Draws an id for each row by inverting its cumulative distribution at `uniform_B`."""
    vocab_size = logits_BV.shape[-1]
    count = min(top_k, vocab_size) if top_k > 0 else vocab_size
    keeps_all = isinstance(top_p, int | float) and top_p >= 1
    if count < vocab_size or most_B1 is not None or not keeps_all:
        logits_BM, ids_BM = fast_top_k(logits_BV, count)
    else:  # The order doesn't matter, and sorting V logits would dominate the cost.
        logits_BM, ids_BM = logits_BV, None
    weights_BM = ops.exp(logits_BM - ops.max(logits_BM, axis=-1, keepdims=True))
    if most_B1 is not None:
        ranks_1M = ops.arange(count, dtype="int32")[None]
        weights_BM = ops.where(ranks_1M < most_B1, weights_BM, 0.0)
    if not keeps_all:
        before_BM = ops.cumsum(weights_BM, axis=-1) - weights_BM
        total_B1 = ops.sum(weights_BM, axis=-1, keepdims=True)
        weights_BM = ops.where(before_BM < top_p * total_B1, weights_BM, 0.0)
    cumulative_BM = ops.cumsum(weights_BM, axis=-1)
    reached_BM = cumulative_BM > uniform_B[:, None] * cumulative_BM[:, -1:]
    # A parallel cumulative sum may increase by rounding even where a weight is 0.
    reached_BM = reached_BM & (weights_BM > 0)
    index_B = ops.cast(ops.argmax(ops.cast(reached_BM, "int32"), axis=-1), "int32")
    return index_B if ids_BM is None else pick(ids_BM, index_B[:, None])[:, 0]
