"""Writes an export's folder whole or not at all: under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from t2tlite.errors import OutputError
from t2tlite.files import cannot_write, locked, make_folder

# Names in an export folder that aren't exports begin with this.
PREFIX = ".export."


@contextlib.contextmanager
def working_folder(parent: str | os.PathLike[str]) -> Iterator[Path]:
    """Creates an empty folder in `parent`, to be written and then renamed.

    Only one process at a time has a working folder in `parent`; others wait. So anything that a
    killed export left there can be removed first.

    Raises:
      OutputError: the folder can't be created, or the block raised OSError.
    """
    parent = make_folder(parent)
    lock, folder = parent / f"{PREFIX}lock", parent / f"{PREFIX}tmp"
    with locked(lock, waiting=f"waiting for another export to {parent}"):
        try:
            for leftover in parent.glob(f"{PREFIX}tmp*"):
                shutil.rmtree(leftover)
            folder.mkdir()
            yield folder
        except OSError as error:
            raise cannot_write(parent, error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def replace(folder: Path, target: Path) -> None:
    """Renames a working folder, once it is on disk, to `target`, and removes an older `target`."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
    # A rename can't replace a folder that isn't empty.
    old = folder.with_name(f"{folder.name}.old")
    if target.exists():
        os.rename(target, old)
    os.rename(folder, target)
    shutil.rmtree(old, ignore_errors=True)


def content(folder: Path) -> list[Path]:
    """Returns the entries of `folder`, none if it doesn't exist; raises OutputError for a file."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, expected a folder; choose another --export_dir")
    return sorted(folder.iterdir()) if folder.exists() else []
