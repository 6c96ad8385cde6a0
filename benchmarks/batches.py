"""Times training batches: as t2tlite plans them, and from a tf.data pipeline; see README.md."""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite.batches.batching import Batching
from t2tlite.batches.examples import MappedExamples, RecordFeature
from t2tlite.batches.inputs import TrainingBatches
from t2tlite.data.records import serialized, write_shard

SHARDS = 10


def write_data(folder: Path, examples: int) -> list[str]:
    """Writes pairs with the lengths of verse: 12 tokens on average, ids below 4,096."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.normal(12, 4, (examples, 2)).round().astype(int), 2, 40)
    paths = [str(folder / f"lines-train-{shard:05d}-of-{SHARDS:05d}") for shard in range(SHARDS)]
    for shard, path in enumerate(paths):
        records = (
            serialized(
                {
                    "inputs": random.integers(2, 4096, inputs).tolist(),
                    "targets": random.integers(2, 4096, targets).tolist(),
                }
            )
            for inputs, targets in lengths[shard::SHARDS].tolist()
        )
        write_shard(path, records)
    return paths


def planned(paths: list[str], batching: Batching) -> Iterator[dict[str, Any]]:
    """Yields t2tlite's batches."""
    examples = MappedExamples(paths, {n: RecordFeature(n) for n in ("inputs", "targets")})
    batches = TrainingBatches(examples, batching, seed=0)
    yield from map(batches.batch, itertools.count())


def streamed(paths: list[str], batching: Batching) -> Iterator[dict[str, Any]]:
    """Yields the batches of a tf.data pipeline: shuffle in a window, parse, buckets by length."""
    import tensorflow as tf

    spec = {name: tf.io.VarLenFeature(tf.int64) for name in ("inputs", "targets")}

    def parse(record: Any) -> dict[str, Any]:
        parsed = tf.io.parse_single_example(record, spec)
        return {k: tf.cast(tf.sparse.to_dense(v), tf.int32) for k, v in parsed.items()}

    def longest(example: dict[str, Any]) -> Any:
        return tf.maximum(tf.size(example["inputs"]), tf.size(example["targets"]))

    dataset = tf.data.TFRecordDataset(paths, num_parallel_reads=SHARDS).repeat().shuffle(65_536)
    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.bucket_by_sequence_length(
        longest,
        batching.bounds,
        [batching.rows(bound) for bound in [*batching.bounds, batching.row_length]],
    )
    yield from dataset.prefetch(8).as_numpy_iterator()


def measure(make: Callable[..., Iterator[Any]], *args: Any, batches: int) -> tuple[float, float]:
    """Returns the seconds until the first batch, and the ms of processor time a batch after it."""
    start = time.monotonic()
    iterator = make(*args)
    next(iterator)
    first = time.monotonic() - start
    before = time.process_time()
    for _ in itertools.islice(iterator, batches):
        pass
    return first, (time.process_time() - before) / batches * 1000


def main() -> None:
    """Prints a line a round, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--batch_size", type=int, default=4096)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    batching = Batching("bucket", arguments.batch_size, 256)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        paths = write_data(Path(folder), arguments.examples)
        # Makes the index, as t2t-datagen does.
        next(planned(paths, batching))
        print("first batch, s: plan, tf.data | processor time a batch, ms: plan, tf.data, ratio")
        for _ in range(arguments.rounds):
            plan = measure(planned, paths, batching, batches=arguments.batches)
            stream = measure(streamed, paths, batching, batches=arguments.batches)
            ratios.append(stream[1] / plan[1])
            print(
                f"{plan[0]:.2f}, {stream[0]:.2f} | {plan[1]:.2f}, {stream[1]:.2f}, {ratios[-1]:.1f}"
            )
    print(f"tf.data takes {statistics.median(ratios):.1f} times the processor time (median)")


if __name__ == "__main__":
    main()
