"""Folders that are either whole or absent: an export is written beside its place and renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from t2tlite.errors import OutputError
from t2tlite.files import cannot_write, make_folder

PREFIX = ".export."


@contextlib.contextmanager
def working_folder(parent: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a new folder below `parent` to write into and to rename; what is left of it goes.

    What a killed export left there goes first.

    Raises:
      OutputError: it can't be made or written.
    """
    parent = make_folder(parent)
    _remove_leftovers(parent)
    folder = parent / f"{_prefix()}{os.getpid()}"
    try:
        folder.mkdir()
        yield folder
    except OSError as error:
        raise cannot_write(parent, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def flush(folder: Path) -> None:
    """Makes sure that a folder's files are on disk before its name is."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())


def replace(folder: Path, target: Path) -> None:
    """Gives a finished folder its name, which an older one may have."""
    flush(folder)
    if not target.exists():
        os.rename(folder, target)
        return
    # No folder can take the place of one that holds something.
    old = folder.with_name(f"{folder.name}.old")
    os.rename(target, old)
    os.rename(folder, target)
    shutil.rmtree(old, ignore_errors=True)


def refuse_file(folder: Path) -> None:
    """Raises OutputError if a file stands where a folder shall be."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, expected a folder; choose another --export_dir")


def _prefix() -> str:
    # The machine in the name: a process of another one can't be asked whether it lives.
    return f"{PREFIX}{socket.gethostname()}."


def _remove_leftovers(parent: Path) -> None:
    for entry in parent.glob(f"{_prefix()}*"):
        process = entry.name.removeprefix(_prefix()).split(".")[0]
        if (
            process.isdigit()
            and not Path("/proc", process).exists()
            and Path("/proc/self").exists()
        ):
            shutil.rmtree(entry, ignore_errors=True)
