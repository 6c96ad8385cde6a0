"""What is known of a local copy of a bucket's folder: a JSON file beside it, with a lock."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from t2tlite.buckets.drivers import RemoteFile


@dataclass
class Entry:
    """A file of the folder.

    Attributes:
      remote: the file in the bucket when it was last looked at; None: it has none.
      local: size and modification time in ns of the local file that is the same; [] if there is
        none.
      sent: checksums, as `checksums.reported` returns them, of what is being uploaded.
    """

    remote: RemoteFile | None = None
    local: list[int] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)


@dataclass
class State:
    """The files of a folder.

    Attributes:
      url: of the folder.
      only: names or shell patterns of the wanted files; []: all.
      files: by name relative to the folder.
      removed: names of files that are still to be removed from the bucket.
    """

    url: str
    only: list[str] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)


def path_of(folder: Path) -> Path:
    """Returns the path of the file about the local copy `folder`."""
    return folder.parent / f".{folder.name}.bucket.json"


def read(folder: Path) -> State | None:
    """Returns what is known of a local copy; None if `folder` isn't one."""
    try:
        values = json.loads(path_of(folder).read_bytes())
        for name, entry in values["files"].items():
            remote = entry["remote"]
            entry["remote"] = remote and RemoteFile(**remote)
            values["files"][name] = Entry(**entry)
        return State(**values)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # A damaged one, or of another version, is made again: files are compared by checksum.
        return None


@contextlib.contextmanager
def changing(folder: Path, new: State | None = None) -> Iterator[State]:
    """Context for changes, of one process or thread at a time, that are written at its end.

    Args:
      folder: the local copy.
      new: the state to begin with where there is none.
    """
    path = path_of(folder)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(path.with_suffix(".lock")):
        state = read(folder) or new
        if state is None:
            raise FileNotFoundError(path)
        try:
            yield state
        finally:
            temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
            temporary.write_text(json.dumps(dataclasses.asdict(state)), encoding="utf-8")
            os.replace(temporary, path)


@contextlib.contextmanager
def locked(path: Path, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """Context with a lock on a file; yields whether it is held: always, if it may wait."""
    with open(path, "ab") as file:
        kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(file, kind)
        except BlockingIOError:
            yield False
            return
        yield True


def of_file(path: Path) -> list[int]:
    """Returns size and modification time in ns of a file; [] if there is none."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
