"""Divides examples into batches of like lengths."""

from __future__ import annotations

import numpy as np

from t2tlite.data.wire import Array, spans


def cut(count: int, rows: int) -> tuple[Array, Array]:
    """Cuts rows into batches of `rows`, the last with the rest.

    Returns:
      Where each batch starts, int64 [batches + 1], and its rows, int64 [batches].
    """
    starts = np.append(np.arange(0, count, rows), count)
    return starts, np.diff(starts)


def divide(
    lengths: Array, bounds: Array, rows_of: Array, *, inclusive: bool
) -> tuple[Array, Array, Array]:
    """Divides examples into batches, each of one bucket.

    The batches of a bucket are made in the order of its examples. All batches are in the order of
    their middle examples, so that those of a rare bucket come at any time.

    Args:
      lengths: of the examples, int [N].
      bounds: of the buckets, int [buckets]; the last bucket holds all longer examples, too.
      rows_of: examples of a batch, by bucket.
      inclusive: whether an example as long as a bound is in its bucket or in the next one.

    Returns:
      The places of the examples, batch by batch, int64 [N]; where each batch starts in them, int64
      [batches + 1]; the bucket of each batch, int64 [batches].
    """
    bucket = np.searchsorted(bounds, lengths, side="left" if inclusive else "right")
    bucket = np.minimum(bucket, len(bounds) - 1)
    by_bucket = np.argsort(bucket, kind="stable")
    edges = np.searchsorted(bucket[by_bucket], np.arange(len(bounds) + 1))
    cuts = [cut(int(size), int(rows)) for size, rows in zip(np.diff(edges), rows_of, strict=True)]
    starts = np.concatenate([cut_starts[:-1] + edges[i] for i, (cut_starts, _) in enumerate(cuts)])
    counts = np.concatenate([batch_rows for _, batch_rows in cuts])
    turn = np.argsort(by_bucket[starts + counts // 2], kind="stable")
    places = by_bucket[spans(starts[turn], counts[turn])]
    row_starts = np.append(0, np.cumsum(counts[turn]))
    return places, row_starts, bucket[places[row_starts[:-1]]]
