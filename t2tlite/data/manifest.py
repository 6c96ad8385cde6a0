"""`{problem}.manifest.json`: what a data folder holds, and what it was made from."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2tlite.errors import DataError
from t2tlite.files import atomic, remove_temporaries

FORMAT = 1


@dataclass
class Split:
    """One split of a made data set.

    Attributes:
      shards: files.
      examples: records in all of them.
      tokens: sum of lengths by feature.
      max_length: longest by feature, in tokens.
      empty: examples whose text is empty, by feature.
      bytes: size by file name.
    """

    shards: int = 0
    examples: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    max_length: dict[str, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)


@dataclass
class Manifest:
    """A made data set.

    Attributes:
      problem: its registered name.
      splits: by name: train, eval, test.
      seed: of the shuffle.
      vocabularies: sha256 by file name.
      source: sha256 of the source code of the problem's class.
      sources: size, and time of change in ns, of the files below tmp_dir that it was made from.
      versions: of the libraries whose change could change the data.
    """

    problem: str
    seed: int
    splits: dict[str, Split] = field(default_factory=dict)
    vocabularies: dict[str, str] = field(default_factory=dict)
    source: str = ""
    sources: dict[str, list[int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, folder: str | Path) -> None:
        """Writes it into a data folder, whole or not at all."""
        self.write_to(path_of(folder, self.problem))

    def write_to(self, path: Path) -> None:
        """Writes it as a file, whole or not at all."""
        with atomic(path, "w") as file:
            json.dump(dataclasses.asdict(self), file, indent=1)
            file.write("\n")


def path_of(folder: str | Path, problem: str) -> Path:
    """Where the manifest of `problem` lies."""
    return Path(folder) / f"{problem}.manifest.json"


def read(folder: str | Path, problem: str) -> Manifest | None:
    """Reads the manifest of `problem`; None where there is none, as in T2T's folders.

    Raises:
      DataError: it isn't JSON, or of a later format.
    """
    path = path_of(folder, problem)
    return read_from(path) if path.exists() else None


def read_from(path: Path) -> Manifest:
    """Reads a manifest.

    Raises:
      DataError: it isn't JSON, or of a later format.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] > FORMAT:
            raise DataError(
                f"{path} has format {values['format']}, this t2tlite knows {FORMAT}; upgrade it"
            )
        splits = {name: Split(**split) for name, split in values.pop("splits").items()}
        return Manifest(splits=splits, **values)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); run t2t-datagen --overwrite") from None


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
    manifest = read(data_dir, problem)
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
    manifest = read(data_dir, problem)
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
    manifest = read_from(folder / _FINISHED)
    new = {name for split in manifest.splits.values() for name in split.bytes}
    old = read(data_dir, manifest.problem)
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
