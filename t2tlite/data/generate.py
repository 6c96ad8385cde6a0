"""Samples to shards: has the samples of a problem encoded, shuffled and written.

The generators run in this process, in order. Worker processes encode their samples into chunk
files (`chunks.py`), and merge the shards from those. The bytes depend on the samples and the seed
only, not on the number of processes.

Everything is written in a working folder that a stopped run leaves behind and the next run resumes
from: chunks that would be made from the same samples are kept; once the index of all chunks exists
the generators aren't run again; finished shards are kept. Whatever is kept is compared with its
checksum first. At the end all shards move into the data folder, then the manifest.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from t2tlite import console
from t2tlite.data.chunks import (
    ChunkJob,
    ShardJob,
    count_leaks,
    is_intact,
    read_splits,
    write_chunk,
    write_merged_shard,
)
from t2tlite.data.manifest import (
    DESCRIBED,
    INDEX,
    Manifest,
    Split,
    changed_files,
    file_state,
    finish,
    from_json,
    inner_folder,
    make_data_folder,
    publish,
    working_folder,
)
from t2tlite.data.records import is_whole
from t2tlite.data.streams import ChunkMaker, Stream
from t2tlite.data.workers import Workers
from t2tlite.errors import DataError, Error, SampleError
from t2tlite.files import atomic, cannot_write, locked, opened_below, plain_name, read_json

log = logging.getLogger(__name__)

_TRAIN = "train"
_LOCK = "lock"

# Writes all chunk files; returns their names by stream, and the states of the source files.
WriteChunks = Callable[[], tuple[list[list[str]], dict[str, list[int]]]]
# Runs `write_merged_shard` for all jobs, and yields something after each.
WriteShards = Callable[[list[ShardJob]], Iterable[object]]


@dataclass
class _Index:
    """Index of all chunks; once its file exists, a restart skips generation.

    Attributes:
      chunks: names of the chunk files by stream.
      sources: as in the manifest.
      vocabularies: as in the manifest.
      settings: what else the chunks depend on.
    """

    chunks: list[list[str]]
    sources: dict[str, list[int]]
    vocabularies: dict[str, str]
    settings: dict[str, Any]


class Dataset:
    """A data set to be generated.

    Args:
      streams: samples, and the shards that they fill.
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

    @property
    def chunk_makers(self) -> list[ChunkMaker]:
        """What cuts each stream into chunks."""
        folder, seed, versions = os.fspath(self.folder), self.manifest.seed, self.manifest.versions
        return [ChunkMaker(s, n, folder, seed, versions) for n, s in enumerate(self.streams)]

    def write(self, num_workers: int = 1) -> Manifest:
        """Writes all shards and the manifest, and resumes what a stopped run left.

        Raises:
          SampleError: a sample can't be used, or a split got none.
          DataError: a process was killed, or another run is writing the same data.
          OutputError: the disk is full or the folder read-only; nothing half-written is left.
        """
        with Workers(num_workers) as workers:

            def write_chunks() -> tuple[list[list[str]], dict[str, list[int]]]:
                with opened_below(self.source_dir) as opened:
                    makers = self.chunk_makers
                    names = [list(workers.map(write_chunk, self._jobs(m))) for m in makers]
                return names, self.source_states(opened)

            return self.write_with(write_chunks, lambda jobs: workers.map(write_merged_shard, jobs))

    def write_with(self, write_chunks: WriteChunks, write_shards: WriteShards) -> Manifest:
        """Does as `write`, with the work done by the arguments.

        Raises:
          Error: as `write`, and what the arguments raise.
        """
        make_data_folder(self.data_dir, self.manifest.problem)
        blocked = DataError(
            f"another t2t-datagen is writing this data in {self.data_dir}; wait until it ends, or "
            f"choose another --data_dir"
        )
        try:
            with locked(self.folder / _LOCK, blocked):
                self._remove_inner_folder(blocked)
                try:
                    index = self._read_index() or self._make_index(write_chunks)
                    self._write_shards(index, write_shards)
                    publish(self.folder, self.data_dir, self.manifest)
                    return self.manifest
                finally:
                    if not any(self.folder.glob("*.chunk")):
                        # There is nothing to resume from.
                        shutil.rmtree(self.folder, ignore_errors=True)
        except OSError as error:
            raise cannot_write(self.data_dir, error) from error

    def _remove_inner_folder(self, blocked: DataError) -> None:
        """Removes what earlier versions left inside the data folder, where hooks would find it."""
        inner = inner_folder(self.data_dir, self.manifest.problem)
        if inner != self.folder and inner.is_dir():
            with locked(inner / _LOCK, blocked):
                shutil.rmtree(inner)

    # From generators to chunks.

    def _settings(self) -> dict[str, Any]:
        """Returns what the chunks depend on besides source files and vocabularies, as JSON."""
        return {
            "seed": self.manifest.seed,
            "source": self.manifest.source,
            "versions": self.manifest.versions,
            "shards": [stream.shard_names for stream in self.streams],
            "tasks": [stream.tasks for stream in self.streams],
        }

    def _read_index(self) -> _Index | None:
        """Returns the index of an earlier run, if it has one and nothing changed since."""
        path = self.folder / INDEX
        if not path.exists():
            if any(self.folder.glob("*.chunk")):
                log.info("resuming from %s", self.folder)
            return None
        settings = self._settings()
        try:
            index: _Index = from_json(_Index, read_json(path))
            names = [plain_name(name, path) for name in chain(*index.chunks)]
        except (ValueError, TypeError, Error) as error:
            log.warning("%s is damaged (%s); generating again", path, error)
            return None
        changed = [key for key in settings if settings[key] != index.settings.get(key)]
        changed += changed_files(self.source_dir, index.sources)
        if index.vocabularies != self.vocabularies():
            changed.append("the vocabulary")
        if not changed and not all(is_intact(self.folder / name) for name in names):
            changed.append("a chunk file, which is damaged")
        if not changed and len(index.chunks) == len(self.streams):
            log.info("resuming from %s", self.folder)
            self._count(index.chunks)
            return index
        log.warning(
            "%s: changed since an earlier run that was stopped: %s; generating again",
            self.manifest.problem,
            ", ".join(changed),
        )
        return None

    def _make_index(self, write_chunks: WriteChunks) -> _Index:
        """Writes the chunks, then the index, and removes what earlier runs left."""
        names, sources = write_chunks()
        # With an index, existing shards are taken for finished; so those of other chunks must go
        # before it is written.
        for path in set(self.folder.iterdir()) - {self.folder / n for n in chain([_LOCK], *names)}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._count(names)
        index = _Index(names, sources, self.vocabularies(), self._settings())
        with atomic(self.folder / INDEX, "w") as file:
            json.dump(asdict(index), file)
        return index

    def _jobs(self, maker: ChunkMaker) -> Iterator[ChunkJob]:
        """Runs the generators of a stream and yields its chunks."""
        stream = maker.stream
        samples = maker.start(0)
        encoding = maker.encoding()
        with console.meter(f"{stream.name}: encoding", "samples", stream.total()) as advance:
            for task in range(stream.tasks):
                samples = maker.start(task) if task else samples
                yield from maker.jobs(task, samples, encoding, advance)

    def source_states(self, opened: Iterable[str]) -> dict[str, list[int]]:
        """Returns the states of source files.

        Args:
          opened: names of files below the source folder. Hidden ones, and those that this data
            set writes itself, are left out.
        """
        own = {name for s in self.streams for name in chain(*s.shard_names.values())}
        own.update(self.vocabularies(), [f"{self.manifest.problem}{DESCRIBED}"])
        paths = {name: Path(self.source_dir, name) for name in sorted(opened)}
        return {
            name: file_state(path)
            for name, path in paths.items()
            if path.is_file() and path.name not in own and not name.startswith(".")
        }

    # From chunks to shards.

    def _write_shards(self, index: _Index, write_shards: WriteShards) -> None:
        """Compares the splits, writes the shards and finishes the working folder."""
        chunks = [[self.folder / name for name in names] for names in index.chunks]
        self._warn(chunks)
        jobs = []
        for stream, paths in zip(self.streams, chunks, strict=True):
            names = list(chain(*stream.shard_names.values()))
            jobs += [
                ShardJob(os.fspath(self.folder / name), paths, shard, len(names))
                for shard, name in enumerate(names)
                if not is_whole(self.folder / name)
            ]
        what = f"{self.manifest.problem}: shuffling shards"
        for _ in console.track(write_shards(jobs), what, len(jobs)):
            pass
        self.manifest.vocabularies = index.vocabularies
        self.manifest.sources = index.sources
        finish(self.folder, self.manifest)

    def _count(self, chunks: Sequence[Sequence[str]]) -> None:
        """Fills in the splits of the manifest from the chunk files, named by stream.

        Raises:
          SampleError: a split has no example. An empty test split is a warning, since only an
            evaluation on it needs it.
        """
        for stream, names in zip(self.streams, chunks, strict=True):
            splits = {
                name: Split(len(shards), bytes=dict.fromkeys(shards, 0))
                for name, shards in stream.shard_names.items()
            }
            for chunk in names:
                for name, part in read_splits(self.folder / chunk).items():
                    splits[name].add(part)
            for name, split in splits.items():
                if split.examples:
                    continue
                message = (
                    f"{stream.name} yielded too few samples: split {name!r} is empty; yield more, "
                    f"or change dataset_splits"
                )
                if name != "test":
                    raise SampleError(message)
                log.warning("%s", message)
            count = sum(split.examples for split in splits.values())
            log.info("%s: %s samples", stream.name, f"{count:,}")
            self.manifest.splits.update(splits)

    def _warn(self, chunks: Sequence[Sequence[Path]]) -> None:
        """Warns of empty texts, and of evaluation examples that are in the training data too."""
        files: dict[str, tuple[Sequence[Path], range]] = {}
        # The word for a split in the file names: "dev" for "eval".
        words: dict[str, str] = {}
        for stream, paths in zip(self.streams, chunks, strict=True):
            first = 0
            for split, names in stream.shard_names.items():
                files[split] = paths, range(first, first + len(names))
                words[split] = f"{self.manifest.problem} {names[0].rsplit('-', 4)[1]}"
                first += len(names)
        for split, counts in self.manifest.splits.items():
            for name, empty in counts.empty.items():
                if empty:
                    log.warning(
                        "%s: %s have empty %s; t2t-inspect shows them, leave them out in "
                        "generate_samples",
                        *(words[split], _share(empty, counts.examples), name),
                    )
        for split, leaked in count_leaks(files, _TRAIN).items():
            if leaked:
                log.warning(
                    "%s: %s are in %s too, which inflates the scores; t2t-inspect shows them, "
                    "split so that no example is in both",
                    words[split],
                    _share(leaked, self.manifest.splits[split].examples),
                    _TRAIN,
                )


def _share(count: int, total: int) -> str:
    return f"{count:,} of {total:,} ({100 * count / total:.3g} %)"
