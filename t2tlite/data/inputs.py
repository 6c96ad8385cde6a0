"""Shards to batches, with tf.data: read, shuffle, filter by length, then bucket, pack or pad.

The order of training batches is a pure function of the seed and the step. Training runs in rounds
of a fixed number of batches, at least an epoch each; round r is shuffled by (seed, r, epoch). To
resume at a step, its round is started and the batches before the step are skipped; no state of the
pipeline has to be saved.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from t2tlite.data.batching import Batching, Sizes, estimate_sizes
from t2tlite.data.packing import pack
from t2tlite.data.records import count_records, read_examples
from t2tlite.errors import DataError

# Examples, about 100 bytes each, that are shuffled together after the shards are.
SHUFFLE_WINDOW = 65_536
# Examples whose lengths are measured to estimate those of all.
SAMPLE = 20_000
# Shortest round: small data must not spend their time on starting rounds.
MIN_ROUND_BATCHES = 1_000

# Feature with the time that a step waited for its batch; see `timed`.
WAITED = "waited"

# Maps a dataset of serialized records to one of feature dicts; see Problem.examples.
ToExamples = Callable[[Any], Any]


@contextlib.contextmanager
def shard_errors(shards: Iterable[str]) -> Iterator[None]:
    """Turns TensorFlow's errors about damaged records, within the block, into one that names them.

    Args:
      shards: the TFRecord files that the block reads.

    Raises:
      DataError: a record is damaged or isn't a tf.Example.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
        # TensorFlow quotes a record that isn't a tf.Example; Python can't decode that as UTF-8.
        message = error.reason if isinstance(error, UnicodeDecodeError) else error.message
        if isinstance(error, tf.errors.InvalidArgumentError) and not _PARSING.search(message):
            raise
        # TensorFlow doesn't name the file; reading all of them raises an error that does.
        paths = list(shards)
        collections.deque(read_examples(paths), maxlen=0)
        if isinstance(error, UnicodeDecodeError):
            raise
        reason = message.strip().splitlines()[0]
        raise DataError(
            f"a record in {os.path.dirname(paths[0])} is damaged or not of this problem "
            f"({reason}); run t2t-datagen --overwrite or copy the folder again"
        ) from error


# In TensorFlow's message when a record isn't a tf.Example, or has another feature.
_PARSING = re.compile("[Pp]ars|Key: ")


def measure(shards: Sequence[str], to_examples: ToExamples, batching: Batching) -> Sizes:
    """Counts a split and estimates its batches from the lengths of its first examples.

    Raises:
      DataError: a shard is damaged, no example is within the length limits, or one doesn't have one
        label.
    """
    import tensorflow as tf

    with ThreadPoolExecutor(8) as pool:
        examples = sum(pool.map(count_records, shards))
    if not examples:
        raise DataError(f"{os.path.dirname(shards[0])} has no example; run t2t-datagen again")
    lengths = to_examples(tf.data.TFRecordDataset(list(shards)).take(SAMPLE)).map(_lengths)
    with shard_errors(shards):
        table = np.array([row for batch in lengths.batch(1024) for row in batch.numpy()])
    return estimate_sizes(examples, table, batching)


def training_batches(
    shards: Sequence[str],
    to_examples: ToExamples,
    batching: Batching,
    *,
    seed: int,
    epoch_batches: int,
    start: int = 0,
    part: tuple[int, int] = (0, 1),
) -> Any:
    """Returns the endless dataset of training batches from batch `start` on.

    Args:
      shards: TFRecord files.
      to_examples: parses records.
      batching: how examples become batches.
      seed: of the order.
      epoch_batches: estimate of the batches an epoch has; a round has as many at least.
      start: batches to skip.
      part: number of this machine, and number of machines. Each reads its own shards, or its own
        records if the shards can't be divided, and makes a part of each batch.

    Returns:
      A tf.data.Dataset of dicts of int32 [rows, length], 0 where padded.
    """
    import tensorflow as tf

    per_round = max(epoch_batches, MIN_ROUND_BATCHES)
    first_round, offset = divmod(start, per_round)
    batching = batching.divided(part[1])

    def one_round(number: Any) -> Any:
        def one_epoch(epoch: Any) -> Any:
            key = tf.stack([tf.cast(seed, tf.int64) * 1_000_003 + number, epoch])
            return _shuffled_records(shards, key, *part)

        examples = to_examples(tf.data.Dataset.range(2**62).flat_map(one_epoch))
        return _batch(_filter_lengths(examples, batching), batching).take(per_round)

    rounds = one_round(tf.constant(first_round, tf.int64)).skip(offset)
    later = tf.data.Dataset.range(first_round + 1, 2**62).flat_map(one_round)
    return _deterministic(rounds.concatenate(later)).prefetch(8)


def _shuffled_records(shards: Sequence[str], key: Any, machine: int, machines: int) -> Any:
    """Returns one machine's records of an epoch, in an order drawn from `key`, int64 [2]."""
    import tensorflow as tf

    own_shards = len(shards) % machines == 0
    order = tf.random.experimental.stateless_shuffle(tf.constant(list(shards)), key)
    if own_shards:
        order = order[machine::machines]
    records = tf.data.Dataset.from_tensor_slices(order).interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(16, len(shards)),
        block_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if not own_shards:
        records = records.shard(machines, machine)

    # Not Dataset.shuffle: its seed can't be a tensor, and here each epoch has its own.
    def shuffle(window: Any, batch: Any) -> Any:
        shuffled = tf.random.experimental.stateless_shuffle(batch, key + 1 + window)
        return tf.data.Dataset.from_tensor_slices(shuffled)

    return records.batch(SHUFFLE_WINDOW).enumerate().flat_map(shuffle)


def split(batches: Any, shares: int, first: int, count: int) -> Any:
    """Divides the rows of each batch among devices.

    Args:
      batches: a dataset of batches.
      shares: number of devices that share a batch.
      first: the first device of this machine.
      count: number of devices of this machine.

    Returns:
      A dataset with, for each batch, the rows of device first, first + 1, ... in turn.
    """
    import tensorflow as tf

    def parts(batch: dict[str, Any]) -> Any:
        def part(share: Any) -> dict[str, Any]:
            rows = tf.shape(batch["targets"], tf.int64)[0]
            start, end = rows * share // shares, rows * (share + 1) // shares
            return {name: value[start:end] for name, value in batch.items()}

        return tf.data.Dataset.range(first, first + count).map(part)

    divided = _deterministic(batches.flat_map(parts)).prefetch(8 * count)
    # Declared endless, or else several machines would ask each other for its end at every step.
    return divided.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))


def timed(batches: Any) -> Any:
    """Adds the feature WAITED, float32 [rows]; its sum is the seconds spent waiting."""
    import tensorflow as tf

    # Zip asks its datasets in turn for the time, the batch, and the time again.
    clock = tf.data.Dataset.range(2**62).map(lambda _: tf.timestamp())

    def add(before: Any, batch: dict[str, Any], after: Any) -> dict[str, Any]:
        rows = tf.shape(batch["targets"])[0]
        # A value for each row, since every feature is divided among devices by rows.
        waited = tf.fill([rows], tf.cast((after - before) / tf.cast(rows, tf.float64), tf.float32))
        return {**batch, WAITED: tf.ensure_shape(waited, batch["targets"].shape[:1])}

    timed_batches = tf.data.Dataset.zip((clock, batches, clock)).map(add)
    options = tf.data.Options()
    # A prefetch behind the clocks would measure its own waiting.
    options.experimental_optimization.inject_prefetch = False
    return timed_batches.with_options(options)


def evaluation_batches(
    shards: Sequence[str], to_examples: ToExamples, batching: Batching, part: Any = None
) -> Any:
    """Returns one pass over a split in batches, the last of each bucket with the remainder.

    With static shapes, the remainder is filled up with rows of padding.

    Args:
      shards: TFRecord files.
      to_examples: parses records.
      batching: how examples become batches.
      part: which records to take, bool [records]; None: all.

    Returns:
      A tf.data.Dataset of dicts of int32 [rows, length], 0 where padded.
    """
    import tensorflow as tf

    records = tf.data.TFRecordDataset(list(shards))
    if part is not None and not part.all():
        chosen = tf.data.Dataset.zip((records, tf.data.Dataset.from_tensor_slices(part)))
        records = chosen.filter(lambda _, is_chosen: is_chosen).map(lambda record, _: record)
    return _deterministic(batched(to_examples(records), batching)).prefetch(8)


def batched(examples: Any, batching: Batching) -> Any:
    """Returns batches of all examples within the limits of length, the last of a bucket smaller.

    Args:
      examples: a dataset of dicts of int32 [length].
      batching: how they become batches.
    """
    if not batching.unbounded:
        examples = _filter_lengths(examples, batching)
    return _batch(examples, batching, partial=True)


def _deterministic(dataset: Any) -> Any:
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    return dataset.with_options(options)


def _lengths(example: dict[str, Any]) -> Any:
    """Returns the lengths of the features in the order of their names: "inputs", "targets"."""
    import tensorflow as tf

    return tf.stack([tf.size(example[name]) for name in sorted(example)])


def _length(example: dict[str, Any]) -> Any:
    import tensorflow as tf

    return tf.reduce_max(_lengths(example))


def _filter_lengths(examples: Any, batching: Batching) -> Any:
    def keep(example: dict[str, Any]) -> Any:
        length = _length(example)
        return (length >= batching.min_length) & (length <= batching.max_length)

    return examples.filter(keep)


def _batch(examples: Any, batching: Batching, partial: bool = False) -> Any:
    if batching.kind == "pack":
        return pack(examples, batching.row_length, batching.rows(batching.row_length))
    if batching.kind == "pad":
        return examples.padded_batch(
            batching.rows(batching.row_length),
            padded_shapes={
                name: spec.shape if spec.shape.is_fully_defined() else [batching.row_length]
                for name, spec in examples.element_spec.items()
            },
            drop_remainder=True,
        )
    lengths = [*batching.bounds, batching.row_length]
    # tf.data's bounds are exclusive. With static shapes nothing is longer than the last bound.
    bounds = [length + 1 for length in lengths] if batching.static else batching.bounds
    rows = [batching.rows(length) for length in lengths]
    batches = examples.bucket_by_sequence_length(
        element_length_func=_length,
        bucket_boundaries=bounds,
        bucket_batch_sizes=[*rows, 1] if batching.static else rows,
        pad_to_bucket_boundary=batching.static,
        drop_remainder=batching.static and not partial,
    )
    if batching.static and partial:
        batches = batches.map(lambda batch: _fill_up(batch, batching))
    return batches


def _fill_up(batch: dict[str, Any], batching: Batching) -> dict[str, Any]:
    """Adds rows of padding, up to the number of rows of the batch's bucket."""
    import tensorflow as tf

    # The widest feature, since class labels have one token in every bucket.
    width = tf.reduce_max([tf.shape(value)[1] for value in batch.values()])
    multiple = batching.rows_multiple
    rows = tf.maximum(1, batching.batch_tokens // width // multiple) * multiple
    return {k: tf.pad(v, [[0, rows - tf.shape(v)[0]], [0, 0]]) for k, v in batch.items()}
