"""Uploads what was written to local copies, in the background and at the end of a command.

What is uploaded at a time is a snapshot of hard links: training may write the next checkpoint and
delete an old one meanwhile. Files that name others, such as checkpoint.json, come last, and only
then are files removed that they no longer name. So the bucket always has a complete model or data
set, and a killed upload loses nothing: the local copy stays, and the next command that writes to
the same URL uploads the rest.
"""

from __future__ import annotations

import contextlib
import fnmatch
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from t2tlite.buckets import checksums, state
from t2tlite.buckets.mirror import Mirror, is_list, mirror_of
from t2tlite.errors import Error, OutputError

log = logging.getLogger(__name__)

# Seconds between uploads in the background.
UPLOAD_SECONDS = 20.0
# Locks, probes, files that are being written, and caches of Python.
_LOCAL = (".*.tmp", ".*.lock", ".write-test.*", "*.pyc")


class _Staged(NamedTuple):
    """A file of a snapshot: its name, the link to it, and size and modification time in ns."""

    name: str
    link: Path
    status: list[int]


class _Uploads:
    """The folders that this process writes, and the thread that uploads them."""

    def __init__(self) -> None:
        self._mirrors: dict[Path, Mirror] = {}
        self._depth = 0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, mirror: Mirror) -> None:
        """Uploads what is written to a folder from now on."""
        with self._lock:
            self._mirrors[mirror.folder] = mirror
            if self._depth and self._thread is None:
                self._stopped.clear()
                self._thread = threading.Thread(target=self._run, name="uploading", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        failing: set[Path] = set()
        while not self._stopped.wait(UPLOAD_SECONDS):
            for mirror in list(self._mirrors.values()):
                try:
                    upload(mirror, stopped=self._stopped)
                    failing.discard(mirror.folder)
                except (Error, OSError) as error:
                    if mirror.folder not in failing:
                        log.warning("%s; trying again every %g s", error, UPLOAD_SECONDS)
                    failing.add(mirror.folder)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Context at whose end everything is uploaded; the outermost of several counts."""
        self._depth += 1
        try:
            yield
        except BaseException:
            # The first error is the one to report.
            try:
                self._end()
            except Error as error:
                log.error("%s", error)
            raise
        else:
            self._end()

    def _end(self) -> None:
        self._depth -= 1
        if self._depth:
            return
        self._stopped.set()
        if self._thread:
            self._thread.join()
        self._thread = None
        mirrors = list(self._mirrors.values())
        self._mirrors.clear()
        for mirror in mirrors:
            _upload_all(mirror)


_uploads = _Uploads()
running = _uploads.running


def will_write(path: str | os.PathLike[str]) -> None:
    """Says that files will be written to a folder; they are uploaded if it belongs to a bucket.

    Raises:
      OutputError: it belongs to a web server, where nothing can be written.
    """
    if found := mirror_of(path):
        mirror, _ = found
        if mirror.is_read_only:
            raise OutputError(
                f"can't write {mirror.shown(path)}: https:// can only be read; choose a folder, "
                f"gs:// or s3://"
            )
        _uploads.add(mirror)


def _upload_all(mirror: Mirror) -> None:
    """Uploads everything.

    Raises:
      OutputError: that failed; the message says where the files are.
    """
    try:
        upload(mirror, wait=True)
    except (Error, OSError) as error:
        raise OutputError(
            f"{error}; nothing is lost: what isn't uploaded yet is in {mirror.folder.parent}, and "
            f"the next command that writes to {mirror.bucket.shown} uploads it"
        ) from error


def upload(mirror: Mirror, wait: bool = False, stopped: threading.Event | None = None) -> None:
    """Uploads what is new or changed in a local folder.

    Args:
      mirror: of the folder.
      wait: whether to wait for another process that is uploading it; otherwise nothing is done.
      stopped: ends it between two files.

    Raises:
      OutputError: that failed.
    """
    path = state.path_of(mirror.folder)
    with state.locked(path.with_suffix(".uploading"), wait=wait) as held:
        if not held or mirror.is_read_only:
            return
        staging = path.with_suffix(".snapshot")
        shutil.rmtree(staging, ignore_errors=True)
        try:
            staged, removed = _snapshot(mirror, staging)
            for file in sorted(staged, key=lambda one: is_list(one.name)):
                if stopped and stopped.is_set():
                    return
                _upload_one(mirror, file)
            removed = [name for name in removed if not (mirror.folder / name).exists()]
            for name in removed:
                mirror.bucket.remove(name)
            if removed:
                with state.changing(mirror.folder) as known:
                    known.removed = [name for name in known.removed if name not in removed]
                    for name in removed:
                        known.files.pop(name, None)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _snapshot(mirror: Mirror, staging: Path) -> tuple[list[_Staged], list[str]]:
    """Links the files that are to be uploaded into a folder.

    Returns:
      The links, and the names of files to remove from the bucket.
    """
    while True:
        shutil.rmtree(staging, ignore_errors=True)
        known = state.read(mirror.folder)
        if known is None:
            return [], []
        lists = {name: path.read_bytes() for name, path in _files(mirror.folder) if is_list(name)}
        staged: list[_Staged] = []
        for name, path in _files(mirror.folder):
            entry = known.files.get(name)
            link = staging / str(len(staged))
            with contextlib.suppress(FileNotFoundError):
                if entry and entry.local == state.of_file(path):
                    continue
                staging.mkdir(exist_ok=True)
                _link(path, link)
                staged.append(_Staged(name, link, state.of_file(link)))
        # The files that a list names exist when it is written, and may be gone when the next is.
        paths = {name: mirror.folder / name for name in lists}
        if all(path.exists() and path.read_bytes() == lists[n] for n, path in paths.items()):
            return staged, known.removed


def _link(path: Path, link: Path) -> None:
    try:
        os.link(path, link)
    except FileNotFoundError:
        raise
    except OSError:
        # The file system has no links.
        shutil.copy2(path, link)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields the files below a folder that belong into a bucket, with their names."""
    for parent, folders, names in os.walk(folder):
        # In a hidden folder something is being written.
        folders[:] = sorted(one for one in folders if one != "__pycache__" and one[0] != ".")
        for name in sorted(names):
            path = Path(parent, name)
            is_local = any(fnmatch.fnmatchcase(name, pattern) for pattern in _LOCAL)
            if not is_local and path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path


def _upload_one(mirror: Mirror, file: _Staged) -> None:
    """Uploads a file and notes that the bucket has it.

    Raises:
      OutputError: that failed; or another machine has changed the same list of files.
    """
    name = file.name
    with state.changing(mirror.folder) as known:
        entry = known.files.setdefault(name, state.Entry())
        before = entry.remote
        if is_list(name):
            # So that a kill right after the upload isn't taken for another machine's change.
            entry.sent = checksums.of_bytes(file.link.read_bytes())
    now = mirror.bucket.find(name) if is_list(name) else before
    if now != before and not (now and now.checksum in entry.sent):
        raise OutputError(
            f"another machine has changed {mirror.shown(mirror.folder / name)} meanwhile; stop one "
            f"of the two, or choose another folder"
        )
    stored = mirror.bucket.store(file.link, name)
    with state.changing(mirror.folder) as known:
        entry = known.files.setdefault(name, state.Entry())
        entry.remote, entry.local = stored, file.status
        if (mirror.folder / name).exists():
            known.removed = [other for other in known.removed if other != name]
