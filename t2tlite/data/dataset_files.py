"""A made data set as it lies in the data folder: whether it is whole, and how it gets there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from t2tlite.data import manifest as manifests
from t2tlite.data.manifest import Manifest
from t2tlite.errors import DataError
from t2tlite.files import remove_temporaries

# The manifest lies in the working folder under this name when all shards are there.
_FINISHED = "manifest.json"


def working_folder(data_dir: str | Path, problem: str) -> Path:
    """The folder in which the shards of `problem` are made."""
    return Path(data_dir) / f".{problem}.unfinished"


def is_complete(data_dir: str | Path, problem: str, paths: Sequence[str]) -> bool:
    """Whether the data set is there, made by t2tlite or by T2T.

    Raises:
      DataError: the manifest lists a shard that is gone or has another size.
    """
    unfinished = working_folder(data_dir, problem)
    if is_finished(unfinished):
        # A run was stopped while it moved the shards.
        return False
    manifest = manifests.read(data_dir, problem)
    if manifest is None:
        # T2T writes no manifest; a run of ours that was killed has left its working folder.
        return not unfinished.exists() and all(os.path.exists(path) for path in paths)
    for split in manifest.splits.values():
        for name, size in split.bytes.items():
            _check_size(Path(data_dir) / name, size)
    return True


def check_sizes(data_dir: str | Path, problem: str, paths: Iterable[Path]) -> None:
    """Makes sure that shards have the sizes that the manifest says; T2T's folders have none.

    Raises:
      DataError: one has another size.
    """
    manifest = manifests.read(data_dir, problem)
    sizes: dict[str, int] = {}
    for split in manifest.splits.values() if manifest else ():
        sizes.update(split.bytes)
    for path in paths:
        if path.name in sizes:
            _check_size(path, sizes[path.name])


def _check_size(path: Path, size: int) -> None:
    found = path.stat().st_size if path.exists() else None
    if found != size:
        what = "is missing" if found is None else f"has {found} bytes"
        raise DataError(f"{path} {what}, the manifest says {size}; run t2t-datagen --overwrite")


def is_finished(folder: Path) -> bool:
    """Whether a working folder has all shards, so that only `publish` is left to do."""
    return (folder / _FINISHED).exists()


def finish(folder: Path, manifest: Manifest) -> None:
    """Adds the sizes of the shards in a working folder to the manifest, and writes it there.

    Args:
      folder: the working folder with all shards.
      manifest: its splits have the names of their shards in `bytes`.
    """
    for split in manifest.splits.values():
        split.bytes = {name: (folder / name).stat().st_size for name in split.bytes}
    manifest.write_to(folder / _FINISHED)


def publish(folder: Path, data_dir: Path) -> Manifest:
    """Moves shards and manifest from a finished working folder into the data folder.

    It may be called again after it was stopped at any moment.
    """
    manifest = manifests.read_from(folder / _FINISHED)
    new = {name for split in manifest.splits.values() for name in split.bytes}
    old = manifests.read(data_dir, manifest.problem)
    for name in new:
        if (folder / name).exists():
            os.replace(folder / name, data_dir / name)
    # Shards of an older data set with another number of them.
    for name in (
        {name for split in old.splits.values() for name in split.bytes} - new if old else ()
    ):
        (data_dir / name).unlink(missing_ok=True)
    manifest.write(data_dir)
    # Runs that were killed while they wrote a vocabulary.
    for name in manifest.vocabularies:
        remove_temporaries(data_dir / name)
    shutil.rmtree(folder)
    return manifest


def changed_files(folder: str, states: Mapping[str, Sequence[int]]) -> list[str]:
    """Names of the files whose `file_state` isn't the one that `states` says, or that are gone."""
    return [name for name, state in states.items() if file_state(Path(folder, name)) != list(state)]


def file_state(path: Path) -> list[int]:
    """Size, and time of the last change in ns; empty if there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
