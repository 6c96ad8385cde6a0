"""Writing files atomically, locking them, and recording which files are opened."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import glob
import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from t2tlite import buckets
from t2tlite.errors import DataError, Error, OutputError

log = logging.getLogger(__name__)

# Some editors write it at the start of a UTF-8 file. It isn't text: whatever reads text drops it.
BYTE_ORDER_MARK = "\ufeff"


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a temporary file that is renamed to `path` when the block ends without an exception.

    The content is synced to disk before the file is renamed, so a killed process or a full disk
    leaves the old file or none, never half of a new one.

    Args:
      path: the file to create or replace; its folder is created if absent.
      mode: "wb" or "w"; text is UTF-8.

    Raises:
      OutputError: the file can't be written.
    """
    path = Path(path)
    # Random, because processes on machines that share a disk may have the same process id.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True) if temporary.parent.is_dir() else None


@contextlib.contextmanager
def locked(
    path: str | os.PathLike[str], error: Exception | None = None, *, waiting: str = ""
) -> Iterator[IO[bytes]]:
    """Opens a file that only one process at a time may hold.

    The kernel frees the lock when the last process that has the file open ends, even if it is
    killed. A child process that inherits the file (`pass_fds=[file.fileno()]`) holds the lock, too.

    Args:
      path: the file to lock; it and its folder are created if absent.
      error: raised when another process holds the lock; None: wait for it.
      waiting: the message to log before waiting.

    Yields:
      The file, opened for reading anywhere and appending ("a+b"). It may be removed or renamed
      while it is locked.

    Raises:
      OutputError: the file can't be written or locked.
    """
    path = Path(path)
    while True:
        with contextlib.ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(open(path, "a+b"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if error:
                        raise error from None
                    if waiting:
                        log.info("%s", waiting)
                    fcntl.flock(file, fcntl.LOCK_EX)
                # The process that held the lock may have removed or renamed the file.
                try:
                    current = os.path.samestat(os.fstat(file.fileno()), path.stat())
                except FileNotFoundError:
                    current = False
            except OSError as os_error:
                raise cannot_write(path, os_error) from os_error
            if current:
                yield file
                return


def remove_temporaries(path: Path) -> None:
    """Removes the temporary files of processes that were killed while `atomic` wrote `path`.

    Call it only when no other process can be writing `path`.
    """
    for temporary in path.parent.glob(f".{path.name}.*.tmp"):
        temporary.unlink(missing_ok=True)


def cannot_write(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """Returns the one-line error for a failed write to `path`."""
    advice = {
        errno.ENOSPC: "free some space and run the command again",
        errno.EROFS: "choose a folder on a file system that isn't read-only",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
        errno.ENOLCK: "choose a folder on a file system that supports locks (flock)",
        errno.ENOTDIR: "part of that path is a file; choose another folder",
    }.get(error.errno or 0, "choose another folder")
    return OutputError(f"can't write {path}: {error.strerror or error}; {advice}")


def folder_path(value: object, name: str, required: bool = True) -> str:
    """Returns the path of a folder as text, with the user's home for ~, and for a URL its copy.

    Raises:
      DataError: it can't be a path, or it is empty though required, or a URL that can't be read;
        the message calls it `name`.
    """
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(path, str) or "\0" in path or (required and not path):
        raise DataError(f"{name}={value!r:.80}; expected the path of a folder")
    return os.path.expanduser(buckets.local_folder(path, name))


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Creates a folder and its parents if absent, and checks that it can be written to.

    What is written to the copy of a bucket's folder is uploaded from then on.

    Raises:
      OutputError: the folder can't be created or written to.
    """
    folder = Path(path).expanduser()
    buckets.will_write(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test.{secrets.token_hex(8)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


@contextlib.contextmanager
def kept_if_filled(path: str | os.PathLike[str]) -> Iterator[None]:
    """Context that leaves no empty folder behind: one that is absent before it, or its parents."""
    folder = Path(path).expanduser()
    absent = [one for one in (folder, *folder.parents) if not os.path.exists(one)]
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            for one in absent:
                # Fails if the folder has something in it.
                one.rmdir()


def split_paths(paths: str) -> list[str]:
    """Splits paths or URLs joined by commas; a path that exists may have commas in its name."""
    parts, result = paths.split(","), []
    while parts:
        counts = (n for n in range(len(parts), 1, -1) if os.path.exists(",".join(parts[:n])))
        count = next(counts, 1)
        result.append(",".join(parts[:count]))
        del parts[:count]
    return [path for path in result if path]


def plain_name(name: object, source: object, error: type[Error] = Error) -> str:
    """Checks a file name that was read from a file, so that no path built from it leaves a folder.

    Args:
      name: the value that was read.
      source: where it was read, for the message, such as a path.
      error: the class of the exception.

    Returns:
      The name.

    Raises:
      Error: the value isn't a file name without folders; its class is `error`.
    """
    try:
        is_plain = (
            isinstance(name, str)
            and name not in ("", ".", "..")
            and not set(name) & set("/\\\0")
            and len(name.encode()) <= _NAME_BYTES
        )
    except UnicodeEncodeError:  # a lone surrogate
        is_plain = False
    if not is_plain or not isinstance(name, str):
        found = ascii(name)
        found = found if len(found) <= 80 else found[:77] + "..."
        raise error(f"{source}: {found} isn't a plain file name; expected one without folders")
    return name


def open_binary(path: str | os.PathLike[str]) -> IO[bytes]:
    """Opens a file of the user's for reading: one on this machine, or at a URL.

    Raises:
      DataError: it doesn't exist, is a folder, or can't be read.
    """
    try:
        return open(buckets.local_file(os.fspath(path)), "rb")
    except FileNotFoundError:
        raise DataError(f"{path} doesn't exist; put it there, or check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; expected a file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"can't read {path}: {reason}; check the path and its permissions"
        ) from None


def matching(pattern: str) -> list[str]:
    """Returns the paths of the files and folders that a pattern with *, ? or [] matches, sorted.

    `**` matches any folders. A path that exists is its own only match, whatever it contains. Of a
    URL, whose last part may have wildcards, the files are fetched, and their copies returned.

    Raises:
      DataError: nothing matches.
    """
    if buckets.is_url(pattern):
        return buckets.local_files(pattern)
    pattern = os.path.expanduser(pattern)
    found = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise DataError(
            f"{pattern} doesn't exist; put it there, or check the path"
            if glob.escape(pattern) == pattern
            else f"no file matches {pattern}; check the path"
        )
    return found


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads a JSON file.

    Raises:
      ValueError: it isn't JSON in UTF-8.
      OSError: it can't be read.
    """
    try:
        return json.loads(Path(path).read_bytes().decode())
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


# The longest file name of the usual file systems, in bytes of UTF-8.
_NAME_BYTES = 255

# Folders, and for each the names of the files below it that were opened.
_recordings: list[tuple[str, set[str]]] = []


@contextlib.contextmanager
def opened_below(folder: str | os.PathLike[str]) -> Iterator[set[str]]:
    """Collects the names, relative to `folder`, of the files below it that Python opens."""
    _add_audit_hook()
    recording = (os.path.join(os.path.abspath(folder), ""), set[str]())
    _recordings.append(recording)
    try:
        yield recording[1]
    finally:
        _recordings.remove(recording)


@functools.cache
def _add_audit_hook() -> None:
    """Adds the hook, once: Python can't remove it."""
    sys.addaudithook(_record_open)


def _record_open(event: str, arguments: tuple[object, ...]) -> None:
    if _recordings and event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        path = os.path.abspath(arguments[0])
        for folder, names in _recordings:
            if path.startswith(folder):
                names.add(path.removeprefix(folder))
