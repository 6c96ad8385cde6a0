"""The loop of a search, which drops finished rows from the batch on TensorFlow.

There a batch costs the sum of its rows' lengths rather than its longest row times their number. JAX
needs static shapes: finished rows stay in the batch, frozen.

Shapes: B rows, of which R are left; K beams each. Other tensors have K neighbours for each row, or
one that its beams share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

Tensor = Any
Cache = dict[str, Any]

# (position, state, cache, given, rows_R) -> (position + 1, state, cache)
Body = Callable[[Tensor, Any, Cache, Any, Any], tuple[Tensor, Any, Cache]]


def loop(body: Body, start: Any, cache: Cache, given: Cache | None) -> Any:
    """Runs `body` until all rows are done.

    Args:
      body: does one step; its `rows_R` are the indices of the rows that are left, None: all rows.
      start: a named tuple of tensors of B rows, with bool `done_B`. In a graph it must derive from
        graph inputs; a constant would fix the batch size statically.
      cache: tensors of B * K rows, which each step replaces.
      given: tensors of B or B * K rows, which all steps read; None: `body` has them already, and
        rows can't be dropped.

    Returns:
      The named tuple after the last step of each row; its `done_B` is undefined.
    """
    zero = ops.zeros((), "int32")

    def unfinished(position, state, *_):
        return ops.any(~state.done_B)

    rows = ops.shape(start.done_B)[0]
    is_single_row = isinstance(rows, int) and rows == 1
    if given is None or is_single_row or keras.backend.backend() != "tensorflow":

        def full_step(position, state, cache):
            return body(position, state, cache, given, None)

        return ops.while_loop(unfinished, full_step, (zero, start, cache))[1]

    def step(position, state, cache, given, rows_R, results):
        position, state, cache = body(position, state, cache, given, rows_R)
        left = ops.sum(ops.cast(~state.done_B, "int32"))

        def compacted():
            kept_R = _indices(~state.done_B)
            rest = _take_rows(kept_R, ops.shape(rows_R)[0], (state, cache, given, rows_R))
            return *rest, _put_rows(results, rows_R, state)

        # Copies the cache, so only when half the rows are done: at most log2(B) times.
        halved = (left > 0) & (2 * left <= ops.shape(rows_R)[0])
        rest = ops.cond(halved, compacted, lambda: (state, cache, given, rows_R, results))
        return position, *rest

    # All rows, computed so that their number isn't static and may change.
    rows_R = _indices(start.done_B | ~start.done_B)
    first = _take_rows(rows_R, rows, (start, cache, given, rows_R))
    _, state, _, _, rows_R, results = ops.while_loop(unfinished, step, (zero, *first, start))
    return _put_rows(results, rows_R, state)


def of_rows(values_B: Tensor, rows_R: Tensor | None) -> Tensor:
    """Returns the values of the rows `rows_R`; None: of all rows."""
    return values_B if rows_R is None else ops.take(values_B, rows_R, axis=0)


def _indices(mask_B):
    return ops.cast(ops.nonzero(mask_B)[0], "int32")


def _take_rows(kept_R, rows, tensors):
    """Returns the rows `kept_R` of tensors of so many rows, with all that a row's beams have."""

    def take(x):
        beams, *axes = ops.shape(x)
        # Without any row there is nothing to take.
        each = beams // ops.maximum(rows, 1)
        grouped = ops.reshape(x, (rows, each, *axes))
        kept = ops.take(grouped, kept_R, axis=0)
        return ops.reshape(kept, (ops.shape(kept_R)[0] * each, *axes))

    return keras.tree.map_structure(take, tensors)


def _put_rows(results, rows_R, state):
    """Returns the results of all rows, with the rows `rows_R` replaced by their state."""

    def put(old, new):
        # TensorFlow can't scatter booleans on GPUs, and done_B isn't read from the results.
        if keras.backend.standardize_dtype(old.dtype) == "bool":
            return old
        return ops.scatter_update(old, rows_R[:, None], new)

    return keras.tree.map_structure(put, results, state)
