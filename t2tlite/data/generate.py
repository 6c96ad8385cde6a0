"""Samples to shards: encodes nothing itself, but spreads, shuffles and writes what it is given.

The bytes written depend on the examples and the seed only. All shards of a data set appear
together: they are made in a working folder and renamed when the last one is complete, the manifest
after them. What a killed run leaves is that working folder; the next run makes the data anew.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite import progress
from t2tlite.data import manifest as manifests
from t2tlite.data.manifest import Manifest, Split
from t2tlite.data.records import ShardWriter, read_shard, serialized, write_shard
from t2tlite.errors import DataError, SampleError
from t2tlite.files import cannot_write, make_folder

log = logging.getLogger(__name__)


@dataclass
class Stream:
    """Examples and the shards that they fill.

    Attributes:
      name: for messages: "generate_samples(train)".
      examples: makes the examples: dicts of lists of ids by feature.
      paths: the final shards, by split; an example goes to the next of all of them in turn, as in
        T2T, so that splits fill in proportion to their shards.
    """

    name: str
    examples: Callable[[], Iterable[Mapping[str, Any]]]
    paths: Mapping[str, Sequence[str]]


def working_folder(data_dir: str | Path, problem: str) -> Path:
    """The folder in which the shards of `problem` are made."""
    return Path(data_dir) / f".{problem}.unfinished"


def is_complete(data_dir: str | Path, problem: str, paths: Sequence[str]) -> bool:
    """Whether the data set is there, made by t2tlite or by T2T.

    Raises:
      DataError: the manifest lists a shard that is gone or has another size.
    """
    manifest = manifests.read(data_dir, problem)
    if manifest is None:
        # T2T writes no manifest; a run of ours that was killed has left its working folder.
        unfinished = working_folder(data_dir, problem).exists()
        return not unfinished and all(os.path.exists(path) for path in paths)
    for split in manifest.splits.values():
        for name, size in split.bytes.items():
            path = Path(data_dir) / name
            found = path.stat().st_size if path.exists() else None
            if found != size:
                what = "is missing" if found is None else f"has {found} bytes"
                raise DataError(
                    f"{path} {what}, the manifest says {size}; run t2t-datagen --overwrite"
                )
    return True


def write_dataset(streams: Sequence[Stream], data_dir: str | Path, manifest: Manifest) -> Manifest:
    """Writes all shards of a data set and its manifest.

    Args:
      streams: what goes where.
      data_dir: the data folder.
      manifest: problem, seed and origins filled in; counts and sizes are added here.

    Returns:
      The manifest as written.

    Raises:
      SampleError: a split got no example.
      OutputError: the disk is full or the folder read-only; nothing half-written is left.
    """
    make_folder(data_dir)
    folder = working_folder(data_dir, manifest.problem)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        finished: list[str] = []
        for stream in streams:
            finished += _write_stream(stream, folder, manifest)
        for path in finished:
            os.replace(folder / Path(path).name, path)
        manifest.write(data_dir)
    except OSError as error:
        raise cannot_write(data_dir, error) from error
    finally:
        # Ctrl-C ends here too: nothing half-made stays behind.
        shutil.rmtree(folder, ignore_errors=True)
    return manifest


def _write_stream(stream: Stream, folder: Path, manifest: Manifest) -> list[str]:
    """Writes one stream's shards into `folder`; returns the final paths."""
    split_of = {path: split for split, paths in stream.paths.items() for path in paths}
    finals = list(split_of)
    unshuffled = [folder / f"{Path(path).name}.unshuffled" for path in finals]
    splits = {split: Split(shards=len(paths)) for split, paths in stream.paths.items()}
    _spread(stream, unshuffled, [splits[split_of[path]] for path in finals])
    for name, split in splits.items():
        if not split.examples:
            raise SampleError(
                f"{stream.name} yielded too few samples: split {name!r} is empty; yield more, or "
                f"change dataset_splits"
            )
    for path, source in progress.track(
        list(zip(finals, unshuffled, strict=True)), f"{manifest.problem}: shuffling shards"
    ):
        records = list(read_shard(source))
        # Each shard has its own order, whichever order the shards are made in.
        random.Random(f"{manifest.seed}/{Path(path).name}").shuffle(records)
        final = folder / Path(path).name
        write_shard(final, records)
        source.unlink()
        with open(final, "rb") as file:
            os.fsync(file.fileno())
        splits[split_of[path]].bytes[Path(path).name] = final.stat().st_size
    manifest.splits.update(splits)
    return finals


def _spread(stream: Stream, paths: Sequence[Path], splits: Sequence[Split]) -> None:
    """Writes the examples to the shards in turn, counting."""
    writers = [ShardWriter(path) for path in paths]
    started = time.monotonic()
    total = 0
    try:
        for example in progress.count(stream.examples(), f"{stream.name}: writing", "samples"):
            shard = total % len(writers)
            writers[shard].write(serialized(example))
            _count(example, splits[shard])
            total += 1
    finally:
        for writer in writers:
            writer.close()
    seconds = time.monotonic() - started
    log.info("%s: %d samples in %.1f s", stream.name, total, seconds)


def _count(example: Mapping[str, Any], split: Split) -> None:
    split.examples += 1
    for name, value in example.items():
        length = len(value) if isinstance(value, (list, tuple)) else 1
        split.tokens[name] = split.tokens.get(name, 0) + length
        split.max_length[name] = max(split.max_length.get(name, 0), length)
