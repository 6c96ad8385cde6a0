"""Shards to batches, with tf.data: read, shuffle, filter by length, then bucket, pack or pad.

The order of training batches is a pure function of the seed and the step: training runs in rounds
of a fixed number of batches, at least an epoch each, and round r is shuffled by (seed, r, epoch).
To go on at a step means to start its round and pass over the batches before it; nothing of the
pipeline's state has to be saved.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from t2tlite.config import HParams
from t2tlite.data.packing import pack
from t2tlite.data.records import count_records
from t2tlite.errors import DataError, HParamsError

# Examples that are read from the shuffled shards and then shuffled; about 100 bytes each.
SHUFFLE_WINDOW = 65_536
# Examples whose lengths stand for those of all.
SAMPLE = 20_000
# A round is at least so long, so that small data doesn't spend its time on starting rounds.
MIN_ROUND_BATCHES = 1_000
# Longest sequence where shapes are static and nothing limits it (evaluation).
LONGEST_STATIC = 16_384

# Feature that tells how long a step waited for its batch; see `timed`.
WAITED = "waited"

# Turns a dataset of serialized records into one of feature dicts; see Problem.examples.
ToExamples = Callable[[Any], Any]


@dataclass(frozen=True)
class Batching:
    """How examples become batches.

    Attributes:
      kind: "bucket" (examples of like length), "pad" (all to max_length) or "pack" (several in a
        row, kept apart by segment ids).
      batch_tokens: padded tokens a batch, of inputs or of targets, whichever are longer.
      max_length: longest example, in tokens; in a packed batch, the length of a row.
      min_length: shortest example, in tokens.
      first_bucket: bound of the first bucket, in tokens.
      bucket_step: ratio of one bound to the next.
      static: whether every batch must have one of a few shapes, as a compiler wants them.
      unbounded: whether what is longer than max_length stays, in batches of its own.
      rows_multiple: rows of a batch are a multiple of it: devices that share a static batch.
      length_multiple: lengths of static rows are multiples of it, as a TPU's matrix unit wants.
    """

    kind: str
    batch_tokens: int
    max_length: int
    min_length: int = 0
    first_bucket: int = 8
    bucket_step: float = 1.1
    static: bool = False
    unbounded: bool = False
    rows_multiple: int = 1
    length_multiple: int = 1

    @property
    def row_length(self) -> int:
        """Tokens of a padded or packed row, and of the longest static bucket's."""
        return self._full(self.max_length)

    def _full(self, length: int) -> int:
        return -(-length // self.length_multiple) * self.length_multiple

    @property
    def bounds(self) -> list[int]:
        """T2T's bucket bounds below max_length; a bucket holds what is shorter than its bound.

        Of static buckets these are the lengths themselves: all rows are padded to them.
        """
        bounds, bound = [], self._full(self.first_bucket)
        while bound < self.max_length:
            bounds.append(bound)
            bound = self._full(max(bound + 1, int(bound * self.bucket_step)))
        return bounds

    def rows(self, length: int) -> int:
        """Rows of a batch whose rows have this many tokens."""
        return max(1, self.batch_tokens // length // self.rows_multiple) * self.rows_multiple

    def divided(self, machines: int) -> Batching:
        """How one machine makes its part of each batch."""
        return replace(
            self,
            batch_tokens=self.batch_tokens // machines,
            rows_multiple=max(1, self.rows_multiple // machines),
        )


def choose_batching(
    hparams: HParams,
    *,
    static: bool,
    replicas: int = 1,
    machines: int = 1,
    length_multiple: int = 1,
    can_pack: bool = True,
    packed_length: int | None = None,
) -> Batching:
    """Chooses how training examples are batched.

    Args:
      hparams: reads batching, pack_dataset, batch_size and the lengths.
      static: whether the device wants few shapes.
      replicas: devices that share a batch.
      machines: that each make their part of a batch; all parts have one shape then.
      length_multiple: lengths of static rows are multiples of it.
      can_pack: whether model and problem can tell packed examples apart.
      packed_length: the problem's wish for the length of packed rows.

    Raises:
      HParamsError: packing was asked for where it can't be had, or lengths don't fit.
    """
    kind = "pack" if hparams.pack_dataset else hparams.batching
    if kind == "pack" and not can_pack:
        raise HParamsError(
            "batching=pack needs a model and a problem that keep packed examples apart, and these "
            "don't; choose batching=bucket or pad"
        )
    one_shape = static and machines > 1
    if kind == "bucket" and one_shape:
        raise HParamsError(
            "batching=bucket gives each machine batches of its own shape, and these machines need "
            "equal ones; choose batching=pack or pad"
        )
    if kind == "auto":
        kind = "pack" if static and can_pack else "pad" if one_shape else "bucket"
    tokens = hparams.batch_size * replicas
    longest = hparams.max_length or hparams.batch_size
    if kind == "pack" and packed_length:
        longest = packed_length
    if longest > hparams.batch_size:
        raise HParamsError(
            f"max_length={longest} exceeds batch_size={hparams.batch_size} tokens; lower "
            f"max_length or raise batch_size"
        )
    if hparams.min_length > longest:
        raise HParamsError(
            f"min_length={hparams.min_length} exceeds max_length={longest}; lower it"
        )
    # Doubling bounds keep the number of shapes, and so of compilations, small.
    step = max(hparams.length_bucket_step, 2.0) if static else hparams.length_bucket_step
    return Batching(
        kind,
        tokens,
        longest,
        hparams.min_length,
        hparams.min_length_bucket,
        step,
        static,
        rows_multiple=replicas if static else 1,
        length_multiple=length_multiple if static else 1,
    )


def evaluation_batching(
    hparams: HParams, *, static: bool, replicas: int = 1, length_multiple: int = 1
) -> Batching:
    """Returns how evaluation examples are batched: in buckets, nothing left out.

    With eval_drop_long_sequences, what is longer than max_length is left out as in training; where
    shapes are static, what is longer than LONGEST_STATIC.
    """
    longest = hparams.max_length or hparams.batch_size
    unbounded = not (static or hparams.eval_drop_long_sequences)
    if static and not hparams.eval_drop_long_sequences:
        longest = LONGEST_STATIC
    step = 2.0 if static else hparams.length_bucket_step
    first = hparams.min_length_bucket
    if not static:
        return Batching("bucket", hparams.batch_size, longest, 0, first, step, False, unbounded)
    return Batching(
        "bucket",
        hparams.batch_size * replicas,
        longest,
        first_bucket=first,
        bucket_step=step,
        static=True,
        rows_multiple=replicas,
        length_multiple=length_multiple,
    )


@dataclass(frozen=True)
class Sizes:
    """What is known of a split before training on it.

    Attributes:
      examples: all of them.
      kept: estimate of those within the length limits.
      batches: estimate of the batches that an epoch has.
      rows: estimate of the mean number of examples a batch has.
      tokens: estimate of the mean number of target tokens a batch has.
      padded_share: estimate of the share of padding in a batch.
      row_length: tokens of the longest rows.
    """

    examples: int
    kept: int
    batches: int
    rows: float
    tokens: float
    padded_share: float
    row_length: int


def measure(shards: Sequence[str], to_examples: ToExamples, batching: Batching) -> Sizes:
    """Counts a split and estimates its batches from the lengths of its first examples.

    Raises:
      DataError: a shard is truncated, or no example is within the length limits.
    """
    import numpy as np
    import tensorflow as tf

    with ThreadPoolExecutor(8) as pool:
        examples = sum(pool.map(count_records, shards))
    if not examples:
        raise DataError(f"{os.path.dirname(shards[0])} has no example; run t2t-datagen again")
    lengths = to_examples(tf.data.TFRecordDataset(list(shards)).take(SAMPLE)).map(
        lambda example: tf.stack([tf.size(value) for value in _ordered(example)])
    )
    # [examples, features]; targets are the last feature.
    table = np.array([row for batch in lengths.batch(1024) for row in batch.numpy()])
    longest = table.max(axis=1)
    kept = table[(longest >= batching.min_length) & (longest <= batching.max_length)]
    if not len(kept):
        raise DataError(
            f"no example is between min_length={batching.min_length} and "
            f"max_length={batching.max_length} tokens; they have {longest.min()} to "
            f"{longest.max()}: change --hparams"
        )
    scale = examples / len(table)
    batches, padded = _estimate(kept, batching)
    return Sizes(
        examples=examples,
        kept=round(len(kept) * scale),
        batches=max(1, round(batches * scale)),
        rows=len(kept) / batches,
        tokens=float(kept[:, -1].sum() / batches),
        padded_share=1.0 - float(kept.sum()) / padded,
        row_length=int(kept.max()) if batching.kind == "bucket" else batching.row_length,
    )


def _estimate(kept: Any, batching: Batching) -> tuple[float, float]:
    """Returns the number of batches and of padded tokens that examples of these lengths make."""
    import numpy as np

    longest = kept.max(axis=1)
    features, length = kept.shape[1], batching.row_length
    if batching.kind == "pack":
        rows = kept.sum(axis=0).max() / length
        return rows / batching.rows(length), rows * length * features
    if batching.kind == "pad":
        return len(kept) / batching.rows(length), len(kept) * length * features
    # A static bucket holds its bound itself, others what is shorter.
    bucket = np.searchsorted(batching.bounds, longest, side="left" if batching.static else "right")
    bounds = [*batching.bounds, length]
    batches = sum(float(np.sum(bucket == i)) / batching.rows(b) for i, b in enumerate(bounds))
    # Within a bucket, rows are padded to the longest of their batch: about the bucket's longest.
    tops = np.array([longest[bucket == i].max(initial=0) for i in range(len(bounds))])
    padded = np.array(bounds) if batching.static else tops
    return batches, float(padded[bucket].sum()) * features


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
      start: batches to pass over.
      part: which of how many machines this is; each reads its own shards, or, of few shards, its
        own records, and makes the rows of a batch that `batching.divided` says.

    Returns:
      A tf.data.Dataset of dicts of int32 [rows, length], 0 where padded.
    """
    import tensorflow as tf

    per_round = max(epoch_batches, MIN_ROUND_BATCHES)
    first_round, offset = divmod(start, per_round)
    machine, machines = part
    batching = batching.divided(machines)
    own_shards = len(shards) % machines == 0

    def one_epoch(round_number: Any, epoch: Any) -> Any:
        key = tf.stack([tf.cast(seed, tf.int64) * 1_000_003 + round_number, epoch])
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
        # Not Dataset.shuffle: its seed can't be a tensor, and here it differs in each epoch.
        return (
            records.batch(SHUFFLE_WINDOW)
            .enumerate()
            .flat_map(
                lambda window, batch: tf.data.Dataset.from_tensor_slices(
                    tf.random.experimental.stateless_shuffle(batch, key + 1 + window)
                )
            )
        )

    def one_round(round_number: Any) -> Any:
        epochs = tf.data.Dataset.range(2**62)
        examples = to_examples(epochs.flat_map(lambda epoch: one_epoch(round_number, epoch)))
        return _batched(_within(examples, batching), batching).take(per_round)

    rounds = one_round(tf.constant(first_round, tf.int64)).skip(offset)
    later = tf.data.Dataset.range(first_round + 1, 2**62).flat_map(one_round)
    return _deterministic(rounds.concatenate(later)).prefetch(8)


def split(batches: Any, shares: int, first: int, count: int) -> Any:
    """Divides the rows of each batch among devices.

    Args:
      batches: a dataset of batches.
      shares: devices that share a batch.
      first: the first device whose rows are wanted.
      count: devices whose rows are wanted.

    Returns:
      A dataset that holds, for each batch, the rows of device first, first + 1, ... in turn.
    """
    import tensorflow as tf

    def parts(batch: dict[str, Any]) -> Any:
        def part(share: Any) -> dict[str, Any]:
            rows = tf.shape(batch["targets"], tf.int64)[0]
            start, end = rows * share // shares, rows * (share + 1) // shares
            return {name: value[start:end] for name, value in batch.items()}

        return tf.data.Dataset.range(first, first + count).map(part)

    divided = _deterministic(batches.flat_map(parts)).prefetch(8 * count)
    # Told to be endless, as it is: else several machines ask each other for its end at every step.
    return divided.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))


def timed(batches: Any) -> Any:
    """Adds the feature WAITED [rows], whose sum is the seconds that the taker waited."""
    import tensorflow as tf

    # Zip asks its datasets in turn: for the time, for the batch, and for the time again.
    clock = tf.data.Dataset.range(2**62).map(lambda _: tf.timestamp())

    def add(before: Any, batch: dict[str, Any], after: Any) -> dict[str, Any]:
        rows = tf.shape(batch["targets"])[0]
        # A value a row, as every feature is divided by rows.
        waited = tf.fill([rows], tf.cast((after - before) / tf.cast(rows, tf.float64), tf.float32))
        return {**batch, WAITED: tf.ensure_shape(waited, batch["targets"].shape[:1])}

    timed_batches = tf.data.Dataset.zip((clock, batches, clock)).map(add)
    options = tf.data.Options()
    # A prefetch behind the clocks would measure its own waiting.
    options.experimental_optimization.inject_prefetch = False
    return timed_batches.with_options(options)


def evaluation_batches(shards: Sequence[str], to_examples: ToExamples, batching: Batching) -> Any:
    """Returns one pass over a split in batches, the last of each bucket with what is left.

    Where shapes are static, missing rows are all padding.
    """
    import tensorflow as tf

    examples = to_examples(tf.data.TFRecordDataset(list(shards)))
    if not batching.unbounded:
        examples = _within(examples, batching)
    return _deterministic(_batched(examples, batching, partial=True)).prefetch(8)


def _deterministic(dataset: Any) -> Any:
    import tensorflow as tf

    options = tf.data.Options()
    options.deterministic = True
    return dataset.with_options(options)


def _ordered(example: dict[str, Any]) -> list[Any]:
    """The features of an example by name; "targets" sorts behind "inputs"."""
    return [example[name] for name in sorted(example)]


def _length(example: dict[str, Any]) -> Any:
    import tensorflow as tf

    return tf.reduce_max(tf.stack([tf.size(value) for value in _ordered(example)]))


def _within(examples: Any, batching: Batching) -> Any:
    """Leaves out examples that are too long or too short."""

    def keep(example: dict[str, Any]) -> Any:
        length = _length(example)
        return (length >= batching.min_length) & (length <= batching.max_length)

    return examples.filter(keep)


def _batched(examples: Any, batching: Batching, partial: bool = False) -> Any:
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
    # tf.data's bounds are exclusive, and static shapes have no bucket beyond the last.
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
        batches = batches.map(lambda batch: _filled(batch, batching))
    return batches


def _filled(batch: dict[str, Any], batching: Batching) -> dict[str, Any]:
    """Adds rows of padding until the batch has the shape of its bucket."""
    import tensorflow as tf

    # A class label is one token wide, in a bucket of any width.
    width = tf.reduce_max(tf.stack([tf.shape(value)[1] for value in _ordered(batch)]))
    multiple = batching.rows_multiple
    rows = tf.maximum(1, batching.batch_tokens // width // multiple) * multiple
    return {
        name: tf.pad(value, [[0, rows - tf.shape(value)[0]], [0, 0]])
        for name, value in batch.items()
    }


def steps_per_epoch(sizes: Sizes, accumulate_steps: int = 1) -> int:
    """Updates that an epoch takes when each sums the gradients of some batches."""
    return max(1, math.ceil(sizes.batches / max(1, accumulate_steps)))
