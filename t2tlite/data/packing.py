"""Packs several examples into a row of fixed length, separated by segment ids.

A packed batch has, for each feature, `NAME` (ids), `NAME_segmentation` (1, 2, ... within a row, 0
for padding) and `NAME_position` (from 0 in each segment), as in T2T.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Examples that are packed together. More of them fill rows better, but take longer to read.
WINDOW = 1024


def pack(examples: Any, row_length: int, rows: int) -> Any:
    """Packs a dataset of examples, none longer than a row.

    Args:
      examples: a tf.data.Dataset of dicts of int32 [length].
      row_length: tokens of a row, for each feature.
      rows: rows of a batch.

    Returns:
      A tf.data.Dataset of dicts of int32 [rows, row_length].
    """
    import tensorflow as tf

    names = sorted(examples.element_spec)

    def pack_window(window: dict[str, Any]) -> dict[str, Any]:
        flat = [part for n in names for part in (window[n].values, window[n].row_lengths())]
        keys = [n + suffix for n in names for suffix in ("", "_segmentation", "_position")]
        packed = tf.numpy_function(
            lambda *parts: _pack_rows(parts, row_length),
            flat,
            [tf.int32] * len(keys),
            stateful=False,
        )
        shape = [None, row_length]
        return {k: tf.ensure_shape(v, shape) for k, v in zip(keys, packed, strict=True)}

    windows = examples.ragged_batch(WINDOW).map(pack_window, num_parallel_calls=1)
    return windows.unbatch().batch(rows, drop_remainder=True)


def _pack_rows(parts: Any, row_length: int) -> list[Any]:
    """Fills rows first-fit: each example goes to the first row with room for all its features.

    Args:
      parts: for each feature, the concatenated ids [tokens] and the lengths [examples].
      row_length: tokens of a row.

    Returns:
      For each feature ids, segmentation and position, each int32 [rows, row_length].
    """
    ids, lengths = parts[::2], np.stack(parts[1::2], axis=1)
    starts = np.cumsum(lengths, axis=0) - lengths
    examples, features = lengths.shape
    used = np.zeros((examples, features), np.int32)
    segments = np.zeros(examples, np.int32)
    packed = np.zeros((features, 3, examples, row_length), np.int32)
    rows = 0
    for example, length in enumerate(lengths):
        fits = (used[: rows + 1] + length <= row_length).all(axis=1)
        row = int(fits.argmax())
        rows = max(rows, row + 1)
        segments[row] += 1
        for feature in range(features):
            begin, count = used[row, feature], length[feature]
            columns = slice(begin, begin + count)
            first = starts[example, feature]
            packed[feature, 0, row, columns] = ids[feature][first : first + count]
            packed[feature, 1, row, columns] = segments[row]
            packed[feature, 2, row, columns] = np.arange(count)
        used[row] += length
    return [packed[feature, kind, :rows] for feature in range(features) for kind in range(3)]
