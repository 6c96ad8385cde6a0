"""Data folders on disk: the manifest `{problem}.manifest.json`, and the move of finished shards.

The manifest says what a data folder holds and what it was generated from. Shards are written in a
hidden working folder beside the data folder; `finish` writes the manifest there once all shards
exist, and `publish` moves everything into the data folder, the manifest last.
"""

from __future__ import annotations

import dataclasses
import errno
import glob
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from t2tlite import buckets
from t2tlite.data import index
from t2tlite.errors import DataError
from t2tlite.files import atomic, make_folder, plain_name, read_json, remove_temporaries

FORMAT = 1

# Files of the working folder: the index of all chunks (see `generate.py`), and the manifest, which
# exists once all shards do and `publish` begins to move them.
INDEX = "index.json"
FINISHED = "manifest.json"
# The ending of the file that describes a problem which has no code.
DESCRIBED = ".problem.json"


@dataclass
class Split:
    """Counts of one split.

    Attributes:
      shards: number of files.
      examples: records in all shards.
      tokens: sum of lengths by feature.
      max_length: length of the longest example by feature, in tokens.
      empty: examples whose text is empty, by feature.
      bytes: size by file name.
    """

    shards: int = 0
    examples: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    max_length: dict[str, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def add(self, part: Split) -> None:
        """Adds the counts of a part of the same split."""
        self.examples += part.examples
        for name, tokens in part.tokens.items():
            self.tokens[name] = self.tokens.get(name, 0) + tokens
            self.max_length[name] = max(self.max_length.get(name, 0), part.max_length[name])
        for name, empty in part.empty.items():
            self.empty[name] = self.empty.get(name, 0) + empty


@dataclass
class Manifest:
    """A generated data set.

    Attributes:
      problem: its registered name.
      seed: of the shuffle.
      splits: by name: train, eval, test.
      vocabularies: sha256 by file name.
      source: sha256 of the source code of the problem's class.
      sources: size, and modification time in ns, of the files below tmp_dir that the generators
        read.
      versions: of the libraries whose change could change the data.
      format: version of this file's format.
    """

    problem: str
    seed: int
    splits: dict[str, Split] = field(default_factory=dict)
    vocabularies: dict[str, str] = field(default_factory=dict)
    source: str = ""
    sources: dict[str, list[int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of all shards by file name."""
        return {k: size for split in self.splits.values() for k, size in split.bytes.items()}

    def write(self, path: Path) -> None:
        """Writes the manifest to a file, atomically."""
        with atomic(path, "w") as file:
            json.dump(dataclasses.asdict(self), file, indent=1)
            file.write("\n")


def path_of(folder: str | os.PathLike[str], problem: str) -> Path:
    """Returns the path of the manifest of `problem` in a data folder."""
    return Path(folder) / f"{problem}.manifest.json"


def read(folder: str | os.PathLike[str], problem: str) -> Manifest | None:
    """Reads the manifest of `problem`; None if there is none, as in T2T's data folders.

    Raises:
      DataError: as `read_from`.
    """
    path = path_of(folder, problem)
    return read_from(path) if path.exists() else None


def read_from(path: Path) -> Manifest:
    """Reads a manifest.

    Raises:
      DataError: it isn't a manifest, names a file outside its folder, or has a later format.
    """
    try:
        values = read_json(path)
        later = values["format"] if values["format"] > FORMAT else None
        manifest: Manifest | None = None if later else from_json(Manifest, values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); run t2t-datagen --overwrite") from None
    if manifest is None:
        raise DataError(
            f"{path} has format {later!a}, and this t2tlite reads formats up to {FORMAT}; upgrade "
            f"t2tlite"
        )
    for name in (manifest.problem, *manifest.sizes, *manifest.vocabularies):
        plain_name(name, f"{path} is damaged", DataError)
    return manifest


def from_json(kind: Any, value: Any, name: str = "the file") -> Any:
    """Converts a value read from JSON to a type.

    Args:
      kind: a dataclass, dict[str, ...], list[...], Any, int, float, bool, str, or one of them or
        None.
      value: the value.
      name: of the value, for messages.

    Raises:
      TypeError: the value has another type, or an object other keys; the message is one line.
    """
    if kind is Any:
        return value
    if isinstance(kind, UnionType):
        return None if value is None else from_json(get_args(kind)[0], value, name)
    expected = dict if dataclasses.is_dataclass(kind) else get_origin(kind) or kind
    if type(value) is not expected:
        raise TypeError(f"{name} is {type(value).__name__}; expected {expected.__name__}")
    if expected is list:
        return [from_json(get_args(kind)[0], item, name) for item in value]
    if expected is not dict:
        return value
    if get_origin(kind) is dict:
        return {key: from_json(get_args(kind)[1], item, name) for key, item in value.items()}
    kinds = get_type_hints(kind)
    if unknown := sorted(value.keys() - kinds):
        raise TypeError(f"{name} has the unknown key {unknown[0]!a}")
    required = [
        one.name
        for one in dataclasses.fields(kind)
        if one.default is one.default_factory is dataclasses.MISSING
    ]
    if missing := [key for key in required if key not in value]:
        raise TypeError(f"{name} has no key {missing[0]!a}")
    return kind(**{key: from_json(kinds[key], item, key) for key, item in value.items()})


def working_folder(data_dir: str | Path, problem: str) -> Path:
    """Returns the folder in which the data of `problem` are generated.

    It is hidden and lies beside the data folder, so that hooks that list the data folder don't find
    it; inside only if the data folder is a file system of its own or its parent is read-only.
    """
    data_dir = Path(data_dir)
    folder, inner = data_dir.resolve(), inner_folder(data_dir, problem)
    parent = folder.parent
    if os.path.ismount(folder) or (parent.exists() and not os.access(parent, os.W_OK | os.X_OK)):
        return inner
    return parent / f".{folder.name}{inner.name}"


def inner_folder(data_dir: str | Path, problem: str) -> Path:
    """Returns the working folder if it is inside the data folder, as it always once was."""
    return Path(data_dir) / f".{problem}.unfinished"


def make_data_folder(data_dir: str | Path, problem: str) -> None:
    """Creates a data folder; removes the working folder of one of the same name that is gone.

    Raises:
      OutputError: the folder can't be created or written to.
    """
    if not Path(data_dir).exists():
        shutil.rmtree(working_folder(data_dir, problem), ignore_errors=True)
    make_folder(data_dir)


def is_complete(data_dir: str | Path, problem: str, paths: Sequence[str]) -> bool:
    """Whether a data folder has the data set, generated by t2tlite or by T2T.

    Args:
      data_dir: the data folder.
      problem: the stem of the data files.
      paths: the shards that the problem declares.

    Raises:
      DataError: a shard in the manifest is missing or has another size.
    """
    folders = {working_folder(data_dir, problem), inner_folder(data_dir, problem)}
    if any((folder / FINISHED).exists() for folder in folders):
        # A run was stopped while it moved the shards.
        return False
    manifest = read(data_dir, problem)
    if manifest is None:
        # T2T writes no manifest; a run of t2tlite that was killed leaves its working folder.
        sizes = map(buckets.size_of, paths)
        return not any(map(Path.exists, folders)) and all(size is not None for size in sizes)
    for name, size in manifest.sizes.items():
        _check_size(Path(data_dir) / name, size)
    return True


def check_sizes(data_dir: str | Path, problem: str, paths: Iterable[Path]) -> None:
    """Raises DataError if a shard hasn't the size in the manifest; without a manifest, never."""
    manifest = read(data_dir, problem)
    sizes = manifest.sizes if manifest else {}
    for path in paths:
        if path.name in sizes:
            _check_size(path, sizes[path.name])


def _check_size(path: Path, size: int) -> None:
    actual = buckets.size_of(path)
    if actual != size:
        what = "is missing" if actual is None else f"has {actual} bytes"
        raise DataError(f"{path} {what}, the manifest says {size}; run t2t-datagen --overwrite")


def finish(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest into a working folder, with the sizes of the shards in it.

    The keys of `bytes` of each split are the names of its shards.
    """
    for split in manifest.splits.values():
        split.bytes = {name: (folder / name).stat().st_size for name in split.bytes}
    manifest.write(folder / FINISHED)


def publish(folder: Path, data_dir: Path, manifest: Manifest) -> None:
    """Moves the shards from a finished working folder into the data folder; writes the manifest.

    It can be stopped at any moment, and the shards merged again. Shards of an older data set are
    replaced.
    """
    names = manifest.sizes.keys()
    # An older data set may have had another number of shards.
    stale = _old_shards(data_dir, manifest) - names
    for name in names:
        _move(folder / name, data_dir / name)
    for name in stale:
        buckets.remove(data_dir / name)
    for split in manifest.splits.values():
        shards = [str(data_dir / name) for name in split.bytes]
        index.path_of(shards[0]).unlink(missing_ok=True)
        index.index_shards(shards)
    manifest.write(path_of(data_dir, manifest.problem))
    # Left by runs that were killed while they wrote a vocabulary.
    for name in manifest.vocabularies:
        remove_temporaries(data_dir / name)
    # In this order, so that files of a folder that is deleted only in part aren't used again.
    (folder / FINISHED).unlink()
    (folder / INDEX).unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _old_shards(data_dir: Path, manifest: Manifest) -> set[str]:
    """Returns the names of the shards of an older data set of the same problem."""
    try:
        old = read(data_dir, manifest.problem)
    except DataError:
        # It is damaged, which is why the data are generated again.
        stems = {name.rsplit("-", 3)[0] for name in manifest.sizes}
        patterns = [str(data_dir / f"{glob.escape(stem)}-[0-9]*-of-[0-9]*") for stem in stems]
        return {os.path.basename(path) for pattern in patterns for path in glob.glob(pattern)}
    shard = re.compile(rf"{re.escape(manifest.problem)}-.*-\d+-of-\d+")
    return {name for name in old.sizes if shard.fullmatch(name)} if old else set()


def _move(source: Path, target: Path) -> None:
    """Renames a file; copies it where both folders are mounts of one file system."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with open(source, "rb") as file, atomic(target) as copy:
            shutil.copyfileobj(file, copy)
        source.unlink()


def changed_files(folder: str, states: Mapping[str, Sequence[int]]) -> list[str]:
    """Returns the names of files below `folder` whose `file_state` isn't that in `states`."""
    return [name for name, state in states.items() if file_state(Path(folder, name)) != list(state)]


def file_state(path: Path) -> list[int]:
    """Returns size and modification time in ns; [] if there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return []
    return [status.st_size, status.st_mtime_ns]
