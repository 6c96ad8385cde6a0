"""Samples to shards: reads what a problem's generators yield, and has it encoded and written.

The generators run in this process, in order; what they yield is encoded, serialized and sorted into
chunk files (`chunks.py`) by other processes, and the shards are merged from those. The bytes depend
on the samples and the seed only, whatever the number of processes.

All of it happens in a working folder. A run that is stopped leaves that folder, and the next one
goes on with it: chunks that were made from the same samples are kept, so are finished shards, and
when all chunks are there the generators aren't asked again. At the end all shards appear together,
and the manifest after them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import pickle
import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite import progress
from t2tlite.data.chunks import (
    CHUNK_CHARACTERS,
    CHUNK_SAMPLES,
    ChunkJob,
    ChunkSummary,
    ShardJob,
    count_leaks,
    write_chunk,
    write_merged_shard,
)
from t2tlite.data.dataset_files import (
    changed_files,
    file_state,
    finish,
    is_finished,
    publish,
    working_folder,
)
from t2tlite.data.encoding import Encoding
from t2tlite.data.manifest import Manifest, Split
from t2tlite.data.workers import Workers
from t2tlite.errors import DataError, SampleError
from t2tlite.files import atomic, cannot_write, make_folder, opened_below

log = logging.getLogger(__name__)

_TRAIN = "train"
_OURS = "t2tlite.text."


@dataclass(frozen=True)
class Stream:
    """Samples and the shards that they fill.

    Attributes:
      name: for messages: "generate_samples(train)".
      samples: makes the samples: dicts of texts, and of whatever else goes into the records.
      encoding: says how they're encoded; called when the first sample is there, as a problem may
        write its vocabulary with it.
      paths: the final shards, by split; an example goes to the next of all of them in turn, as in
        T2T, so that splits fill in proportion to their shards.
      total: how many samples there will be, if that is known by then.
    """

    name: str
    samples: Callable[[], Iterable[Mapping[str, Any]]]
    paths: Mapping[str, Sequence[str]]
    encoding: Callable[[], Encoding] = lambda: Encoding({})
    total: Callable[[], int | None] = lambda: None

    @property
    def names(self) -> dict[str, list[str]]:
        """The file names of the shards, by split."""
        return {split: [Path(path).name for path in paths] for split, paths in self.paths.items()}


@dataclass
class _Spread:
    """What the chunks hold, as the file that ends the first half of the work says it.

    Attributes:
      chunks: by stream, the number of chunk files.
      bytes: by stream, the size of each shard's examples.
      splits: counts by split.
      sources: size and time of change of the files that the generators read.
      vocabularies: sha256 by file name.
    """

    chunks: list[int] = field(default_factory=list)
    bytes: list[list[int]] = field(default_factory=list)
    splits: dict[str, Split] = field(default_factory=dict)
    sources: dict[str, list[int]] = field(default_factory=dict)
    vocabularies: dict[str, str] = field(default_factory=dict)


class Dataset:
    """One data set on its way to disk.

    Args:
      streams: what goes where.
      data_dir: the data folder.
      manifest: problem, seed and origins filled in; counts and sizes are added by `write`.
      vocabularies: returns the sha256 of the vocabularies in the data folder, by file name.
      source_dir: where the generators read; the state of files in it goes into the manifest.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        data_dir: str | Path,
        manifest: Manifest,
        vocabularies: Callable[[], dict[str, str]] = dict,
        source_dir: str = "",
    ):
        self.streams = streams
        self.data_dir = Path(data_dir)
        self.manifest = manifest
        self.vocabularies = vocabularies
        self.source_dir = source_dir or os.fspath(data_dir)
        self.folder = working_folder(data_dir, manifest.problem)

    def write(self, workers: Workers | None = None) -> Manifest:
        """Writes all shards and the manifest, and goes on where a stopped run left off.

        Raises:
          SampleError: a sample can't be used, or a split got none.
          DataError: a process was killed.
          OutputError: the disk is full or the folder read-only; nothing half-written is left.
        """
        make_folder(self.data_dir)
        try:
            with _alone(self.folder), workers or Workers() as pool:
                self._open()
                if not is_finished(self.folder):
                    spread = self._read_spread() or self._spread(pool)
                    self._warn(spread)
                    self._merge(spread, pool)
                return publish(self.folder, self.data_dir)
        except OSError as error:
            raise cannot_write(self.data_dir, error) from error
        finally:
            if not any(self.folder.glob("*.chunk")):
                # Nothing to go on with.
                shutil.rmtree(self.folder, ignore_errors=True)

    def _open(self) -> None:
        """Makes the working folder, or clears it if it isn't of the same data set."""
        wanted = {
            "seed": self.manifest.seed,
            "source": self.manifest.source,
            "versions": self.manifest.versions,
            "shards": [
                {k: [Path(p).name for p in v] for k, v in s.paths.items()} for s in self.streams
            ],
        }
        settings = self.folder / "settings.json"
        if settings.exists():
            found = json.loads(settings.read_text())
            if found == wanted:
                log.info("going on with what an earlier run left in %s", self.folder)
                return
            changed = ", ".join(key for key in wanted if wanted[key] != found.get(key))
            log.warning(
                "%s: an earlier run left unfinished data, and since then this changed: %s; "
                "starting over",
                self.manifest.problem,
                changed,
            )
        for path in self.folder.iterdir():
            path.unlink()
        with atomic(settings, "w") as file:
            json.dump(wanted, file)

    # The first half: from generators to chunks.

    def _read_spread(self) -> _Spread | None:
        """The end of the first half, if an earlier run reached it and nothing changed since."""
        path = self.folder / "spread.json"
        if not path.exists():
            return None
        values = json.loads(path.read_text())
        splits = {name: Split(**one) for name, one in values.pop("splits").items()}
        spread = _Spread(splits=splits, **values)
        changed = changed_files(self.source_dir, spread.sources)
        if not changed and spread.vocabularies == self.vocabularies():
            return spread
        log.warning(
            "%s: changed since an earlier run: %s; generating again",
            self.manifest.problem,
            ", ".join(changed) or "the vocabulary",
        )
        self._forget(self.folder.glob("*-of-*"))
        return None

    def _forget(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink()

    def _spread(self, pool: Workers) -> _Spread:
        spread = _Spread()
        with opened_below(self.source_dir) as opened:
            for number, stream in enumerate(self.streams):
                self._spread_stream(number, stream, spread, pool)
        own = {
            Path(path).name
            for one in self.streams
            for paths in one.paths.values()
            for path in paths
        }
        spread.vocabularies = self.vocabularies()
        own.update(spread.vocabularies)
        for name in sorted(opened):
            path = Path(self.source_dir, name)
            # Not what this run wrote itself.
            if path.is_file() and path.name not in own and not name.startswith("."):
                spread.sources[name] = file_state(path)
        with atomic(self.folder / "spread.json", "w") as file:
            json.dump(asdict(spread), file)
        return spread

    def _spread_stream(self, number: int, stream: Stream, spread: _Spread, pool: Workers) -> None:
        split_of = [split for split, paths in stream.paths.items() for _ in paths]
        # What the hooks draw must not depend on what ran before, which a second run may leave out.
        self._seed(number)
        splits = {split: Split(shards=len(paths)) for split, paths in stream.paths.items()}
        sizes = [0] * len(split_of)
        chunks = 0
        started = time.monotonic()
        for summary in pool.map(write_chunk, self._jobs(number, stream)):
            chunks += 1
            _add(summary, splits, split_of, sizes)
        total = sum(split.examples for split in splits.values())
        seconds = time.monotonic() - started
        log.info("%s: %s samples in %.1f s", stream.name, f"{total:,}", seconds)
        for name, split in splits.items():
            if not split.examples:
                raise SampleError(
                    f"{stream.name} yielded too few samples: split {name!r} is empty; yield more, "
                    f"or change dataset_splits"
                )
        # A run before this one may have had more.
        self._forget(
            path
            for path in self.folder.glob(f"{number}-*.chunk")
            if path >= self._chunk(number, chunks)
        )
        spread.chunks.append(chunks)
        spread.bytes.append(sizes)
        spread.splits.update(splits)

    def _jobs(self, number: int, stream: Stream) -> Iterator[ChunkJob]:
        """Cuts what the generator yields into chunks."""
        samples = iter(stream.samples())
        samples = chain(list(islice(samples, 1)), samples)
        # A vocabulary is made once, and a run that goes on finds it: what the hooks draw meanwhile
        # must not change what they draw next.
        states = random.getstate(), np.random.get_state()
        self._seed(number)
        encoding = stream.encoding()
        random.setstate(states[0])
        np.random.set_state(states[1])
        if not all(type(one).__module__.startswith(_OURS) for one in encoding.encoders.values()):
            # Other processes don't have the plugin that this encoder comes from.
            samples, encoding = encoding.encoded(samples), Encoding({})
        pickled = pickle.dumps(encoding)
        shards = sum(map(len, stream.paths.values()))
        seed = self.manifest.seed
        first = 0
        for chunk, batch in enumerate(_chunked(samples, stream)):
            yield ChunkJob(
                path=os.fspath(self._chunk(number, chunk)),
                source=stream.name,
                first=first,
                samples=pickle.dumps(batch, pickle.HIGHEST_PROTOCOL),
                encoding=pickled,
                shards=shards,
                entropy=(abs(seed), int(seed < 0), number, chunk),
            )
            first += len(batch)

    def _seed(self, number: int) -> None:
        """Seeds what hooks may draw from, so that a stream doesn't depend on those before it."""
        random.seed(f"{self.manifest.seed}/{number}")
        np.random.seed(random.getrandbits(32))

    def _chunk(self, stream: int, chunk: int) -> Path:
        return self.folder / f"{stream}-{chunk:06d}.chunk"

    def _warn(self, spread: _Spread) -> None:
        """Tells of empty texts, and of examples that evaluation has seen in training."""
        words = {
            # The word in the file names, "dev" for "eval".
            split: names[0].rsplit("-", 4)[1]
            for stream in self.streams
            for split, names in stream.names.items()
        }
        for split, counts in spread.splits.items():
            for name, empty in counts.empty.items():
                if empty:
                    log.warning(
                        "%s %s: %s have empty %s; t2t-inspect shows them, leave them out in "
                        "generate_samples",
                        *(self.manifest.problem, words[split], _part(empty, counts.examples), name),
                    )
        for split, leaked in count_leaks(self._where(spread), _TRAIN).items():
            if leaked:
                log.warning(
                    "%s %s: %s are in %s too, so evaluation flatters; t2t-inspect shows them, "
                    "split so that no example is in both",
                    *(self.manifest.problem, words[split]),
                    *(_part(leaked, spread.splits[split].examples), _TRAIN),
                )

    def _where(self, spread: _Spread) -> dict[str, tuple[list[Path], range]]:
        """The chunk files of each split, and the numbers of its shards in them."""
        where = {}
        for number, stream in enumerate(self.streams):
            first = 0
            for split, paths in stream.paths.items():
                where[split] = self._chunks(number, spread), range(first, first + len(paths))
                first += len(paths)
        return where

    def _chunks(self, number: int, spread: _Spread) -> list[Path]:
        return [self._chunk(number, chunk) for chunk in range(spread.chunks[number])]

    # The second half: from chunks to shards.

    def _merge(self, spread: _Spread, pool: Workers) -> None:
        jobs = []
        for number, (stream, sizes) in enumerate(zip(self.streams, spread.bytes, strict=True)):
            chunks = self._chunks(number, spread)
            jobs += [
                ShardJob(os.fspath(self.folder / name), chunks, shard, sizes[shard])
                for shard, name in enumerate(chain(*stream.names.values()))
                if not (self.folder / name).exists()
            ]
        for _ in progress.track(
            pool.map(write_merged_shard, jobs),
            f"{self.manifest.problem}: shuffling shards",
            len(jobs),
        ):
            pass
        self.manifest.splits = spread.splits
        self.manifest.vocabularies = spread.vocabularies
        self.manifest.sources = spread.sources
        for stream in self.streams:
            for split, names in stream.names.items():
                spread.splits[split].bytes = dict.fromkeys(names, 0)
        finish(self.folder, self.manifest)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Makes the working folder and keeps other runs out of it.

    Raises:
      DataError: another run is at work there.
    """
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DataError(
            f"another t2t-datagen is making this data in {folder.parent}; wait until it has ended, "
            f"or choose another --data_dir"
        ) from None
    finally:
        # The system lets go by itself when a process is killed.
        os.close(descriptor)


def _chunked(
    samples: Iterable[Mapping[str, Any]], stream: Stream
) -> Iterator[list[dict[str, Any]]]:
    """Yields the samples of a chunk at a time, and shows how many there were."""
    batch: list[dict[str, Any]] = []
    characters = 0
    with progress.meter(f"{stream.name}: encoding", "samples", stream.total()) as advance:
        for sample in samples:
            # A copy: a generator may yield one dict again and again with other values.
            batch.append(dict(sample))
            for value in sample.values():
                if type(value) is str:
                    characters += len(value)
            if len(batch) >= CHUNK_SAMPLES or characters >= CHUNK_CHARACTERS:
                advance(len(batch), characters)
                yield batch
                batch, characters = [], 0
        if batch:
            advance(len(batch), characters)
            yield batch


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


def _part(count: int, total: int) -> str:
    return f"{count:,} of {total:,} ({100 * count / total:.3g} %)"
