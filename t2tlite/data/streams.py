"""Streams: what a problem's generators yield, and its cutting into chunks."""

from __future__ import annotations

import contextlib
import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite.data.chunks import ChunkJob
from t2tlite.data.encoding import Encoding
from t2tlite.data.samples import source_of

# A chunk is full when it has this many samples, or this many characters of text.
CHUNK_SAMPLES = 2**15
CHUNK_CHARACTERS = 2**23


@dataclass(frozen=True)
class Stream:
    """Samples and the shards that they fill.

    Attributes:
      name: for messages: "generate_samples(train)".
      samples: returns the samples of a task: dicts of texts, and of other values that go into the
        records as they are.
      paths: the final shards, by split. Example n goes to shard n modulo their number, as in T2T,
        so that splits fill in proportion to their shards.
      encoding: returns how texts are encoded; called after the first sample, because a problem may
        write its vocabulary file while it generates.
      total: returns the number of samples, if it is known by then.
      tasks: independent parts that the samples can be generated in.
    """

    name: str
    samples: Callable[[int], Iterable[Mapping[str, Any]]]
    paths: Mapping[str, Sequence[str]]
    encoding: Callable[[], Encoding] = lambda: Encoding({})
    total: Callable[[], int | None] = lambda: None
    tasks: int = 1

    @property
    def shard_names(self) -> dict[str, list[str]]:
        """The file names of the shards, by split."""
        return {split: [Path(path).name for path in paths] for split, paths in self.paths.items()}


@dataclass(frozen=True)
class ChunkMaker:
    """Cuts what one stream's generators yield into chunks; the attributes are those of `ChunkJob`.

    The global random numbers that hooks draw from are seeded before each task, so that no task
    depends on what ran before it.
    """

    stream: Stream
    number: int
    folder: str
    seed: int
    versions: Mapping[str, str]

    def start(self, task: int) -> Iterator[Mapping[str, Any]]:
        """Returns the samples of a task; the first one is generated at once."""
        self._seed_random(task)
        samples = iter(self.stream.samples(task))
        return chain(list(islice(samples, 1)), samples)

    def encoding(self) -> Encoding:
        """Returns the stream's encoding; its vocabulary is made if it doesn't exist."""
        # A resumed run finds the vocabulary; later draws must be the same as if it had made it.
        with random_state_kept():
            self._seed_random(0)
            return self.stream.encoding()

    def jobs(
        self,
        task: int,
        samples: Iterator[Mapping[str, Any]],
        encoding: Encoding,
        advance: Callable[[int, int], None] = lambda samples, characters: None,
    ) -> Iterator[ChunkJob]:
        """Cuts the samples of a task into chunks.

        Args:
          task: number of the task.
          samples: as `start` returns them.
          encoding: as `encoding` returns it.
          advance: called with the numbers of samples and characters of each chunk.
        """
        modules = [type(encoder).__module__ for encoder in encoding.encoders.values()]
        if not all(module.startswith("t2tlite.text.") for module in modules):
            # Encoders of a plugin encode here, as other processes don't have the plugin.
            samples, encoding = encoding.encoded(samples), Encoding({})
        pickled_encoding = pickle.dumps(encoding)
        first = 0
        for chunk, (batch, characters) in enumerate(_cut(samples, encoding.copies)):
            advance(len(batch), characters)
            yield ChunkJob(
                folder=self.folder,
                stream=self.number,
                task=task,
                chunk=chunk,
                source=source_of(self.stream.name, task if self.stream.tasks > 1 else None),
                first=first,
                samples=pickle.dumps(batch, pickle.HIGHEST_PROTOCOL),
                encoding=pickled_encoding,
                shards={split: len(paths) for split, paths in self.stream.paths.items()},
                seed=self.seed,
                versions=self.versions,
            )
            first += len(batch)

    def _seed_random(self, task: int) -> None:
        random.seed(f"{self.seed}/{self.number}/{task}")
        np.random.seed(random.getrandbits(32))


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Restores Python's and NumPy's global random state at the end of the block."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _cut(
    samples: Iterable[Mapping[str, Any]], copies: int
) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Yields the samples of a chunk at a time, and the number of their characters.

    A chunk has fewer where each sample is in it several times.
    """
    batch: list[dict[str, Any]] = []
    characters = 0
    for sample in samples:
        # A copy, since a generator may yield the same dict again with other values.
        batch.append(dict(sample))
        for value in sample.values():
            if type(value) is str:
                characters += len(value)
        if copies * len(batch) >= CHUNK_SAMPLES or copies * characters >= CHUNK_CHARACTERS:
            yield batch, characters
            batch, characters = [], 0
    if batch:
        yield batch, characters
