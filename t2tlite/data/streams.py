"""What a data set is made of: streams of samples, cut into chunks, and what the chunks hold."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite.data.chunks import CHUNK_CHARACTERS, CHUNK_SAMPLES, ChunkSummary
from t2tlite.data.encoding import Encoding
from t2tlite.data.manifest import Split
from t2tlite.data.samples import source_of
from t2tlite.errors import SampleError

_OURS = "t2tlite.text."


@dataclass(frozen=True)
class Stream:
    """Samples and the shards that they fill.

    Attributes:
      name: for messages: "generate_samples(train)".
      samples: makes the samples of a task: dicts of texts, and of whatever else goes into the
        records.
      encoding: says how they're encoded; called when the first sample is there, as a problem may
        write its vocabulary with it.
      paths: the final shards, by split; an example goes to the next of all of them in turn, as in
        T2T, so that splits fill in proportion to their shards.
      total: how many samples there will be, if that is known by then.
      tasks: parts that the samples can be made in, one apart from another.
    """

    name: str
    samples: Callable[[int], Iterable[Mapping[str, Any]]]
    paths: Mapping[str, Sequence[str]]
    encoding: Callable[[], Encoding] = lambda: Encoding({})
    total: Callable[[], int | None] = lambda: None
    tasks: int = 1

    def source(self, task: int) -> str:
        """The name of a task's part, for messages: "generate_samples(train), task 3"."""
        return source_of(self.name, task if self.tasks > 1 else None)

    @property
    def names(self) -> dict[str, list[str]]:
        """The file names of the shards, by split."""
        return {split: [Path(path).name for path in paths] for split, paths in self.paths.items()}


@dataclass
class Spread:
    """What the chunks hold, as the file that ends the first half of the work says it.

    Attributes:
      chunks: by stream, the names of the chunk files.
      bytes: by stream, the size of each shard's examples.
      splits: counts by split.
      sources: size and time of change of the files that the generators read.
      vocabularies: sha256 by file name.
    """

    chunks: list[list[str]] = field(default_factory=list)
    bytes: list[list[int]] = field(default_factory=list)
    splits: dict[str, Split] = field(default_factory=dict)
    sources: dict[str, list[int]] = field(default_factory=dict)
    vocabularies: dict[str, str] = field(default_factory=dict)

    def add_stream(self, stream: Stream, chunks: list[str], held: Iterable[ChunkSummary]) -> int:
        """Adds what the chunks of the next stream hold, as they are made.

        Returns:
          The number of examples.

        Raises:
          SampleError: a split got nothing.
        """
        split_of = [split for split, paths in stream.paths.items() for _ in paths]
        splits = {split: Split(shards=len(paths)) for split, paths in stream.paths.items()}
        sizes = [0] * len(split_of)
        for summary in held:
            _add(summary, splits, split_of, sizes)
        for name, split in splits.items():
            if not split.examples:
                raise SampleError(
                    f"{stream.name} yielded too few samples: split {name!r} is empty; yield more, "
                    f"or change dataset_splits"
                )
        self.chunks.append(chunks)
        self.bytes.append(sizes)
        self.splits.update(splits)
        return sum(split.examples for split in splits.values())


@contextlib.contextmanager
def draws_kept() -> Iterator[None]:
    """Keeps what is drawn in the block from changing what hooks draw after it."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def is_portable(encoding: Encoding) -> bool:
    """Whether other processes have its encoders; they don't have a plugin's own."""
    return all(type(one).__module__.startswith(_OURS) for one in encoding.encoders.values())


def chunked(samples: Iterable[Mapping[str, Any]]) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Yields the samples of a chunk at a time, and the number of their characters."""
    batch: list[dict[str, Any]] = []
    characters = 0
    for sample in samples:
        # A copy: a generator may yield one dict again and again with other values.
        batch.append(dict(sample))
        for value in sample.values():
            if type(value) is str:
                characters += len(value)
        if len(batch) >= CHUNK_SAMPLES or characters >= CHUNK_CHARACTERS:
            yield batch, characters
            batch, characters = [], 0
    if batch:
        yield batch, characters


def _add(
    summary: ChunkSummary,
    splits: Mapping[str, Split],
    split_of: Sequence[str],
    sizes: list[int],
) -> None:
    """Adds what a chunk holds to the counts."""
    for shard, name in enumerate(split_of):
        split = splits[name]
        split.examples += summary.examples[shard]
        sizes[shard] += summary.bytes[shard]
        for feature, tokens in summary.tokens.items():
            split.tokens[feature] = split.tokens.get(feature, 0) + tokens[shard]
            longest = max(split.max_length.get(feature, 0), summary.longest[feature][shard])
            split.max_length[feature] = longest
        for feature, empty in summary.empty.items():
            split.empty[feature] = split.empty.get(feature, 0) + empty[shard]
