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
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite import console
from t2tlite.data.chunks import (
    ChunkJob,
    ShardJob,
    count_leaks,
    write_chunk,
    write_merged_shard,
)
from t2tlite.data.encoding import Encoding
from t2tlite.data.manifest import (
    Manifest,
    Split,
    changed_files,
    file_state,
    finish,
    is_finished,
    publish,
    working_folder,
)
from t2tlite.data.streams import Spread, Stream, chunked, draws_kept, is_portable
from t2tlite.data.workers import Workers
from t2tlite.errors import DataError
from t2tlite.files import atomic, cannot_write, make_folder, opened_below

log = logging.getLogger(__name__)

_TRAIN = "train"
_SETTINGS = "settings.json"


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
        with workers or Workers() as pool:

            def make() -> None:
                spread = self._read_spread() or self._spread(pool)
                self._warn(spread, count_leaks(self._where(spread), _TRAIN))
                self._merge(spread, pool)
                self._finish(spread)

            return self._written(make)

    def write_by(self, make: Callable[[Path], tuple[Spread, Mapping[str, int]]]) -> Manifest:
        """Writes all shards and the manifest, where something else than this makes the shards.

        Args:
          make: writes all shards into the folder that it is called with; returns what they hold,
            and how many examples of each other split are in the training data too.

        Raises:
          Error: as `write` does, and what `make` raises; nothing half-written is left.
        """

        def cleared() -> None:
            self._forget(path for path in self.folder.iterdir() if path.name != _SETTINGS)
            spread, leaked = make(self.folder)
            self._warn(spread, leaked)
            self._finish(spread)

        return self._written(cleared)

    def _written(self, make: Callable[[], None]) -> Manifest:
        """Has the working folder finished, while no other run does, and moves it into place."""
        make_folder(self.data_dir)
        try:
            with _alone(self.folder):
                self._open()
                if not is_finished(self.folder):
                    make()
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
            "tasks": [one.tasks for one in self.streams],
        }
        settings = self.folder / _SETTINGS
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
        self._forget(self.folder.iterdir())
        with atomic(settings, "w") as file:
            json.dump(wanted, file)

    # The first half: from generators to chunks.

    def _read_spread(self) -> Spread | None:
        """The end of the first half, if an earlier run reached it and nothing changed since."""
        path = self.folder / "spread.json"
        if not path.exists():
            return None
        values = json.loads(path.read_text())
        splits = {name: Split(**one) for name, one in values.pop("splits").items()}
        spread = Spread(splits=splits, **values)
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
            # A run on other machines works in a folder of its own.
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _spread(self, pool: Workers) -> Spread:
        spread = Spread()
        with opened_below(self.source_dir) as opened:
            for number, stream in enumerate(self.streams):
                self._spread_stream(number, stream, spread, pool)
        spread.vocabularies = self.vocabularies()
        spread.sources = self.sources(opened)
        with atomic(self.folder / "spread.json", "w") as file:
            json.dump(asdict(spread), file)
        return spread

    def sources(self, opened: Iterable[str]) -> dict[str, list[int]]:
        """States of those files of `opened`, names below the source folder, that are no results."""
        own = {Path(p).name for one in self.streams for paths in one.paths.values() for p in paths}
        own.update(self.vocabularies())
        found = {name: Path(self.source_dir, name) for name in sorted(opened)}
        return {
            name: file_state(path)
            for name, path in found.items()
            if path.is_file() and path.name not in own and not name.startswith(".")
        }

    def _spread_stream(self, number: int, stream: Stream, spread: Spread, pool: Workers) -> None:
        names: list[str] = []

        def named(jobs: Iterable[ChunkJob]) -> Iterator[ChunkJob]:
            for job in jobs:
                names.append(Path(job.path).name)
                yield job

        started = time.monotonic()
        held = pool.map(write_chunk, named(self._jobs(number, stream)))
        count = spread.add_stream(stream, names, held)
        log.info("%s: %s samples in %.1f s", stream.name, f"{count:,}", time.monotonic() - started)
        # A run before this one may have had more.
        self._forget(
            path for path in self.folder.glob(f"{number}-*.chunk") if path.name not in names
        )

    def _jobs(self, number: int, stream: Stream) -> Iterator[ChunkJob]:
        """Cuts what the generators yield into chunks."""
        samples = self.samples(number, 0)
        encoding = self.encoding(number)
        with console.meter(f"{stream.name}: encoding", "samples", stream.total()) as advance:
            yield from self.chunk_jobs(number, 0, samples, encoding, advance)
            for task in range(1, stream.tasks):
                samples = self.samples(number, task)
                yield from self.chunk_jobs(number, task, samples, encoding, advance)

    def samples(self, number: int, task: int) -> Iterator[Mapping[str, Any]]:
        """Returns the samples of a stream's task, the first of which is made at once."""
        # What the hooks draw must not depend on what ran before, which a second run may leave out.
        self._seed(number, task)
        samples = iter(self.streams[number].samples(task))
        return chain(list(islice(samples, 1)), samples)

    def encoding(self, number: int) -> Encoding:
        """Returns a stream's encoding; its vocabulary is made if need be."""
        # A vocabulary is made once, and a run that goes on finds it.
        with draws_kept():
            self._seed(number, 0)
            return self.streams[number].encoding()

    def chunk_jobs(
        self,
        number: int,
        task: int,
        samples: Iterator[Mapping[str, Any]],
        encoding: Encoding,
        advance: Callable[[int, int], None] = lambda samples, characters: None,
    ) -> Iterator[ChunkJob]:
        """Cuts the samples of a stream's task into chunks.

        Args:
          number: of the stream.
          task: of the stream's tasks.
          samples: as `samples` returns them.
          encoding: as `encoding` returns it; encodes here where other processes can't.
          advance: is told of samples and their characters.
        """
        stream = self.streams[number]
        if not is_portable(encoding):
            samples, encoding = encoding.encoded(samples), Encoding({})
        pickled = pickle.dumps(encoding)
        shards = sum(map(len, stream.paths.values()))
        seed = self.manifest.seed
        first = 0
        for chunk, (batch, characters) in enumerate(chunked(samples)):
            advance(len(batch), characters)
            yield ChunkJob(
                path=os.fspath(self.folder / f"{number}-{task:06d}-{chunk:06d}.chunk"),
                source=stream.source(task),
                first=first,
                turn=task + first,
                samples=pickle.dumps(batch, pickle.HIGHEST_PROTOCOL),
                encoding=pickled,
                shards=shards,
                entropy=(abs(seed), int(seed < 0), number, task, chunk),
            )
            first += len(batch)

    def _seed(self, number: int, task: int) -> None:
        """Seeds what hooks may draw from, so that a stream doesn't depend on those before it."""
        random.seed(f"{self.manifest.seed}/{number}/{task}")
        np.random.seed(random.getrandbits(32))

    def _warn(self, spread: Spread, leaks: Mapping[str, int]) -> None:
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
        for split, leaked in leaks.items():
            if leaked:
                log.warning(
                    "%s %s: %s are in %s too, so evaluation flatters; t2t-inspect shows them, "
                    "split so that no example is in both",
                    *(self.manifest.problem, words[split]),
                    *(_part(leaked, spread.splits[split].examples), _TRAIN),
                )

    def _where(self, spread: Spread) -> dict[str, tuple[list[Path], range]]:
        """The chunk files of each split, and the numbers of its shards in them."""
        where = {}
        for number, stream in enumerate(self.streams):
            first = 0
            for split, paths in stream.paths.items():
                where[split] = self._chunks(number, spread), range(first, first + len(paths))
                first += len(paths)
        return where

    def _chunks(self, number: int, spread: Spread) -> list[Path]:
        return [self.folder / name for name in spread.chunks[number]]

    # The second half: from chunks to shards.

    def _merge(self, spread: Spread, pool: Workers) -> None:
        jobs = []
        for number, (stream, sizes) in enumerate(zip(self.streams, spread.bytes, strict=True)):
            chunks = self._chunks(number, spread)
            jobs += [
                ShardJob(os.fspath(self.folder / name), chunks, shard, sizes[shard])
                for shard, name in enumerate(chain(*stream.names.values()))
                if not (self.folder / name).exists()
            ]
        for _ in console.track(
            pool.map(write_merged_shard, jobs),
            f"{self.manifest.problem}: shuffling shards",
            len(jobs),
        ):
            pass

    def _finish(self, spread: Spread) -> None:
        """Writes the manifest beside the shards."""
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


def _part(count: int, total: int) -> str:
    return f"{count:,} of {total:,} ({100 * count / total:.3g} %)"
