"""A search's loop, which leaves out rows that are done where shapes may change: on TensorFlow.

There a batch whose answers have different lengths costs what its rows cost, and not its longest row
times their number. Where shapes are static (JAX) rows that are done stay and change no more.

Shapes: B rows, of which R are left; K beams each; N = R * K (the beams of a row are neighbours).
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


def loop(body: Body, start: Any, cache: Cache, given: Cache | None, beam_size: int) -> Any:
    """Runs `body` until all rows are done.

    Args:
      body: takes a step; its `rows_R` are the numbers of the rows that are left, None: all are.
      start: a named tuple of tensors of B rows, with bool `done_B`, which in a graph comes from its
        inputs: of constants TensorFlow knows too much.
      cache: what changes from step to step, tensors of B * K rows.
      given: what all steps read, likewise; None: `body` knows it, and no row can be left out.
      beam_size: K.

    Returns:
      The named tuple after the last step of each row; its `done_B` says nothing.
    """
    zero = ops.zeros((), "int32")

    def unfinished(position, state, *_):
        return ops.any(~state.done_B)

    rows = ops.shape(start.done_B)[0]
    alone = isinstance(rows, int) and rows == 1
    if given is None or alone or keras.backend.backend() != "tensorflow":

        def whole(position, state, cache):
            return body(position, state, cache, given, None)

        return ops.while_loop(unfinished, whole, (zero, start, cache))[1]

    def stepped(position, state, cache, given, rows_R, found):
        position, state, cache = body(position, state, cache, given, rows_R)
        left = ops.sum(ops.cast(~state.done_B, "int32"))

        def compacted():
            kept_R = _numbers(~state.done_B)
            rest = _taken(kept_R, beam_size, state, cache, given, rows_R)
            return (*rest, _put(found, rows_R, state))

        # Each time a copy of the cache, so at most log2(B) times, and not at the end.
        halved = (left > 0) & (2 * left <= ops.shape(rows_R)[0])
        rest = ops.cond(halved, compacted, lambda: (state, cache, given, rows_R, found))
        return position, *rest

    # All of them, but so that the graph doesn't know their number, which then may change.
    rows_R = _numbers(start.done_B | ~start.done_B)
    rows = ops.shape(rows_R)[0]

    def upto(count, tensors):
        return keras.tree.map_structure(lambda one: one[:count], tensors)

    every = rows * beam_size
    first = (upto(rows, start), upto(every, cache), upto(every, given), rows_R)
    _, state, _, _, rows_R, found = ops.while_loop(unfinished, stepped, (zero, *first, start))
    return _put(found, rows_R, state)


def of_rows(values_B: Tensor, rows_R: Tensor | None) -> Tensor:
    """Returns the values of the rows that are left."""
    return values_B if rows_R is None else ops.take(values_B, rows_R, axis=0)


def _numbers(where_B):
    return ops.cast(ops.nonzero(where_B)[0], "int32")


def _taken(kept_R, beam_size, state, cache, given, rows_R):
    """The rows `kept_R` of all of these."""
    beams_1K = ops.arange(beam_size, dtype="int32")[None]
    kept_N = ops.reshape(kept_R[:, None] * beam_size + beams_1K, (-1,))

    def of(kept, tensors):
        return keras.tree.map_structure(lambda one: ops.take(one, kept, axis=0), tensors)

    return of(kept_R, state), of(kept_N, cache), of(kept_N, given), ops.take(rows_R, kept_R)


def _put(found, rows_R, state):
    """The state of all rows, with that of the rows `rows_R`."""

    def put(old, new):
        # GPUs don't scatter these, and nobody reads them.
        if keras.backend.standardize_dtype(old.dtype) == "bool":
            return old
        return ops.scatter_update(old, rows_R[:, None], new)

    return keras.tree.map_structure(put, found, state)
