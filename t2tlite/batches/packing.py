"""Packs several examples into rows of fixed length."""

from __future__ import annotations

import numpy as np

from t2tlite.data.wire import Array

# Examples that are packed together. More of them fill rows better, but take longer.
WINDOW = 1024


def pack_rows(lengths: Array, order: Array, row_length: int) -> tuple[Array, Array]:
    """Fills rows first-fit: each example goes to the first row with room for all its features.

    Args:
      lengths: int32 [N, F], none longer than a row.
      order: numbers of the examples to pack, int64; WINDOW of them are packed together.
      row_length: tokens of a row, for each feature.

    Returns:
      Members of all rows, int64 [M], and where each row's members start in them, int64 [R + 1].
    """
    window = WINDOW
    windows = -(-len(order) // window)
    padded = np.zeros((windows * window, lengths.shape[1]), np.int32)
    padded[: len(order)] = lengths[order]
    # Step j places example j of each window, in all windows at once.
    steps = padded.reshape(windows, window, -1).swapaxes(0, 1)
    rows = 8
    room = np.full((windows, rows, lengths.shape[1]), row_length, np.int32)
    row_of = np.empty((window, windows), np.int64)
    here = np.arange(windows)
    for step, need in enumerate(steps):
        fits = np.all(room >= need[:, None, :], axis=2)
        if not np.all(np.any(fits, axis=1)):
            room = np.concatenate([room, np.full_like(room, row_length)], axis=1)
            fits = np.all(room >= need[:, None, :], axis=2)
        row = fits.argmax(axis=1)
        room[here, row] -= need
        row_of[step] = row
    keys = (row_of.T + (here * room.shape[1])[:, None]).ravel()[: len(order)]
    by_row = np.argsort(keys, kind="stable")
    firsts = np.flatnonzero(np.diff(keys[by_row], prepend=-1))
    return order[by_row], np.append(firsts, len(order))
