"""A folder of a bucket as a folder on this machine."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from t2tlite import console
from t2tlite.buckets import addresses, cache, checksums, state
from t2tlite.buckets.drivers import Bucket, RemoteFile
from t2tlite.errors import DataError, OutputError

# Files that may be large and of which a command often needs few: shards and checkpoints. They are
# fetched when they are asked for; all others at once. Nothing reads events.
_LATER = re.compile(
    r"(.*/)?(.+-\d+-of-\d+|(model|optimizer)\.ckpt-\d+(-raw)?\.safetensors|events\.out\.tfevents\..+)"
)
# They name other files, which must be complete in the bucket before them.
_LISTS = re.compile(r"(.*/)?(checkpoint\.json|[^/]+\.manifest\.json)")
# Files at a time.
_CONNECTIONS = 8
# Files after which what was fetched is noted.
_BATCH = 64
# More bytes than these show their progress.
_SHOWN_BYTES = 2**26


def is_list(name: str) -> bool:
    """Whether a file names others, which must be complete in the bucket before it."""
    return _LISTS.fullmatch(name) is not None


def _no_meter(megabytes: int) -> None:
    """Shows nothing."""


def _matches_any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class Mirror:
    """A folder of a bucket, and the folder on this machine that has its files.

    What it knows is in a file beside the local folder, so other processes know it, too.

    Args:
      folder: the local one.
      known: what is known of it.
      bucket: the files in the bucket.

    Attributes:
      folder, bucket: as given.
    """

    def __init__(self, folder: Path, known: state.State, bucket: Bucket | None = None):
        self.folder = folder
        self.bucket = bucket or Bucket(known.url)

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can be written there."""
        return addresses.scheme(self.bucket.url) in addresses.READ_ONLY

    def shown(self, path: str | os.PathLike[str]) -> str:
        """Returns the URL of a path of the local folder, for people."""
        name = Path(path).relative_to(self.folder).as_posix()
        return self.bucket.shown if name == "." else f"{self.bucket.shown}/{name}"

    def refresh(self) -> None:
        """Compares the folder with the bucket, and fetches new and changed files, or notes them.

        Raises:
          DataError: the bucket can't be reached; or both the bucket and the local copy changed.
        """
        known = state.read(self.folder)
        only = known.only if known else []
        remote = self._remote_files(only)
        with state.changing(self.folder) as known:
            is_newer = self._has_newer_list(known, remote)
            for name in {*remote, *known.files}:
                self._compare(known, name, remote.get(name), is_newer)
            names = [name for name, one in known.files.items() if one.remote and not one.local]
            names = [name for name in names if not (self.folder / name).exists()]
        self.fetch([name for name in names if only or not _LATER.fullmatch(name)])

    def _remote_files(self, only: Sequence[str]) -> dict[str, RemoteFile]:
        if not only or any(set("*?[") & set(name) for name in only):
            files = self.bucket.files().items()
            return {n: one for n, one in files if not only or _matches_any(n, only)}
        found = {name: self.bucket.find(name) for name in only}
        return {name: one for name, one in found.items() if one is not None}

    def _has_newer_list(self, known: state.State, remote: dict[str, RemoteFile]) -> bool:
        """Whether another machine has written the bucket's list of files since.

        Raises:
          DataError: the local copy has a new one, too.
        """
        is_newer = False
        for name, now in remote.items():
            entry, path = known.files.get(name, state.Entry()), self.folder / name
            if not is_list(name) or now == entry.remote or now.checksum in entry.sent:
                continue
            is_newer = True
            has_changed = state.of_file(path) not in ([], entry.local)
            if has_changed and checksums.matches(path, now.checksum) is not True:
                raise DataError(
                    f"{self.shown(path)} was changed by another machine, and the copy on this one "
                    f"has changes that aren't uploaded; to go on with the bucket's, remove "
                    f"{self.folder.parent}, or move what you want to keep elsewhere"
                )
        return is_newer

    def _compare(
        self, known: state.State, name: str, remote: RemoteFile | None, is_newer: bool
    ) -> None:
        """Notes a file of the bucket; removes a local file that is older."""
        entry = known.files.setdefault(name, state.Entry())
        path = self.folder / name
        local, before = state.of_file(path), entry.remote
        entry.remote = remote
        if not local:
            entry.local = []
            if name in known.removed:
                entry.remote = None
        elif local == entry.local:
            if remote != before:
                path.unlink()
                entry.local = []
        elif remote and remote.size == local[0] and checksums.matches(path, remote.checksum):
            entry.local = local
        elif remote and remote != before and is_newer:
            path.unlink()
            entry.local = []
        if not entry.remote and not state.of_file(path):
            del known.files[name]

    def fetch(self, names: Iterable[str]) -> None:
        """Fetches files of the bucket that aren't here yet.

        Raises:
          DataError: one can't be fetched, or the cache has no room.
        """
        known = state.read(self.folder)
        if known is None:
            return
        missing = self._missing(known, names)
        if not missing:
            return
        with state.locked(state.path_of(self.folder).with_suffix(".fetching")):
            missing = self._missing(state.read(self.folder) or known, missing)
            size = sum(one.size for one in missing.values())
            cache.make_room(size, self.bucket.shown)
            self._fetch_all(missing, size)

    def _fetch_all(self, missing: dict[str, RemoteFile], size: int) -> None:
        """Fetches files of `size` bytes in all."""
        files = list(missing.items())
        what, total = f"fetching {self.bucket.shown}", max(round(size / 1e6), 1)
        shows = size > _SHOWN_BYTES
        meter = console.meter(what, "MB", total) if shows else contextlib.nullcontext(_no_meter)
        with ThreadPoolExecutor(_CONNECTIONS, "fetching") as threads, meter as advance:
            for first in range(0, len(files), _BATCH):
                batch = files[first : first + _BATCH]
                entries = dict(threads.map(self._fetch_one, batch))
                with state.changing(self.folder) as known:
                    known.files.update(entries)
                advance(round(sum(one.size for _, one in batch) / 1e6))

    def _missing(self, known: state.State, names: Iterable[str]) -> dict[str, RemoteFile]:
        files = ((name, known.files.get(name)) for name in names)
        return {
            name: entry.remote
            for name, entry in files
            if entry and entry.remote and not (self.folder / name).exists()
        }

    def _fetch_one(self, file: tuple[str, RemoteFile]) -> tuple[str, state.Entry]:
        name, remote = file
        path = self.folder / name
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.bucket.fetch(name, temporary, remote)
            status = state.of_file(temporary)
            os.replace(temporary, path)
        except OSError as error:
            raise OutputError(f"can't write {path}: {error.strerror or error}") from error
        finally:
            temporary.unlink(missing_ok=True)
        return name, state.Entry(remote, status)

    def matching(self, pattern: str) -> list[str]:
        """Returns the names, of files here or in the bucket, that a shell pattern matches."""
        known = state.read(self.folder)
        return fnmatch.filter(known.files, pattern) if known else []

    def size_of(self, name: str) -> int | None:
        """Returns the size of a file that is here or in the bucket; None if there is none."""
        if local := state.of_file(self.folder / name):
            return local[0]
        known = state.read(self.folder)
        entry = known.files.get(name) if known else None
        return entry.remote.size if entry and entry.remote else None

    def remove(self, name: str) -> None:
        """Removes a file here, and notes that the next upload is to remove the bucket's."""
        (self.folder / name).unlink(missing_ok=True)
        if self.is_read_only:
            return
        with state.changing(self.folder) as known:
            known.files.pop(name, None)
            # It may be on its way into the bucket just now.
            if name not in known.removed:
                known.removed.append(name)


# By local folder.
_mirrors: dict[Path, Mirror] = {}


def mirrors() -> list[Mirror]:
    """Returns the mirrors that this process has opened."""
    return list(_mirrors.values())


def open_mirror(url: str, only: Sequence[str] = (), query: str = "") -> Mirror:
    """Returns the mirror of a folder, compared with the bucket when it is first opened.

    Args:
      url: from `addresses.checked`.
      only: names or shell patterns of the files that are wanted; all, if there are none.
      query: as for `Bucket`.

    Raises:
      DataError: as `Mirror.refresh`.
    """
    key = f"{url}/{only[0]}" if only else url
    folder = cache.copy_of(key, "files" if only else addresses.base_name(url))
    if folder not in _mirrors:
        cache.use(folder)
        new = state.State(addresses.redacted(url), list(only))
        with state.changing(folder, new) as known:
            pass
        mirror = Mirror(folder, known, Bucket(url, query))
        mirror.refresh()
        folder.mkdir(parents=True, exist_ok=True)
        _mirrors[folder] = mirror
    return _mirrors[folder]


def mirror_of(path: str | os.PathLike[str]) -> tuple[Mirror, str] | None:
    """Returns the mirror that a path is in, and its name there; None for any other path."""
    absolute = Path(os.path.abspath(path))
    for folder in [absolute, *absolute.parents]:
        # Not Path.exists, which raises an error for a name that is too long.
        if os.path.exists(state.path_of(folder)):
            mirror = _mirrors.get(folder)
            if mirror is None:
                known = state.read(folder)
                if known is None:
                    continue
                mirror = Mirror(folder, known)
            return mirror, absolute.relative_to(folder).as_posix()
    return None
