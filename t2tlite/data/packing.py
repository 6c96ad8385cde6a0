"""Packing: several examples in a row of fixed length, told apart by segment ids.

A packed batch has, for each feature, `NAME` (ids), `NAME_segmentation` (1, 2, ... within a row, 0
for padding) and `NAME_position` (from 0 in each segment), T2T's names.
"""

from __future__ import annotations

from typing import Any

# Examples that are packed together: more fill rows better, and take longer to come by.
WINDOW = 1024


def pack(examples: Any, row_length: int, rows: int) -> Any:
    """Packs a dataset of examples, none longer than a row.

    Args:
      examples: a tf.data.Dataset of dicts of int32 [length].
      row_length: tokens a row, of each feature.
      rows: rows a batch.

    Returns:
      A tf.data.Dataset of dicts of int32 [rows, row_length].
    """
    import tensorflow as tf

    names = sorted(examples.element_spec)

    def pack_window(window: dict[str, Any]) -> dict[str, Any]:
        flat = [part for name in names for part in (window[name].values, _lengths(window[name]))]
        outputs = 3 * len(names)
        packed = tf.numpy_function(
            lambda *parts: _packed(parts, row_length), flat, [tf.int32] * outputs, stateful=False
        )
        result = {}
        for i, name in enumerate(names):
            for j, suffix in enumerate(["", "_segmentation", "_position"]):
                value = packed[3 * i + j]
                value.set_shape([None, row_length])
                result[name + suffix] = value
        return result

    windows = examples.ragged_batch(WINDOW).map(pack_window, num_parallel_calls=1)
    return windows.unbatch().batch(rows, drop_remainder=True)


def _lengths(ragged: Any) -> Any:
    import tensorflow as tf

    return tf.cast(ragged.row_lengths(), tf.int32)


def _packed(parts: Any, row_length: int) -> list[Any]:
    """Fills rows first-fit: each example goes to the first row with room for all its features.

    Args:
      parts: for each feature, the concatenated ids [tokens] and the lengths [examples].
      row_length: tokens a row.

    Returns:
      For each feature ids, segmentation and position, each int32 [rows, row_length].
    """
    import numpy as np

    ids, lengths = parts[::2], np.stack(parts[1::2], axis=1)
    starts = np.cumsum(lengths, axis=0) - lengths
    examples, features = lengths.shape
    used = np.zeros((examples, features), np.int32)
    segments = np.zeros(examples, np.int32)
    made = np.zeros((features, 3, examples, row_length), np.int32)
    rows = 0
    for example, length in enumerate(lengths):
        fits = (used[: rows + 1] + length <= row_length).all(axis=1)
        row = int(fits.argmax())
        rows = max(rows, row + 1)
        segments[row] += 1
        for feature in range(features):
            begin, count = used[row, feature], length[feature]
            place = slice(begin, begin + count)
            first = starts[example, feature]
            made[feature, 0, row, place] = ids[feature][first : first + count]
            made[feature, 1, row, place] = segments[row]
            made[feature, 2, row, place] = np.arange(count)
        used[row] += length
    return [made[feature, kind, :rows] for feature in range(features) for kind in range(3)]
