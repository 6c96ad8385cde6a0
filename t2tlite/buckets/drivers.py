"""fsspec's drivers for object storage, with retries and one-line errors.

Credentials, endpoints and encryption are the drivers' business: their variables and files are those
of boto3 (s3fs) and of Google's libraries (gcsfs); fsspec reads FSSPEC_S3_..., FSSPEC_GCS_... too.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from t2tlite.buckets import addresses, checksums
from t2tlite.errors import DataError, Error, OutputError

log = logging.getLogger(__name__)
T = TypeVar("T")

ATTEMPTS = 4
# Pause before the second attempt; doubled before each further one.
RETRY_SECONDS = 0.5
# Another attempt at these would fail in the same way.
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, Error)
_FINAL_NAMES = (
    *("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "InvalidRegionError"),
    *("DefaultCredentialsError", "RefreshError"),
)


class _DamagedError(OSError):
    """What was transferred isn't what was sent."""


@dataclass(frozen=True)
class RemoteFile:
    """A file in a bucket.

    Attributes:
      size: in bytes.
      version: changes with the content.
      checksum: from `checksums.reported`.
      modified: when, in ns since 1970; 0: unknown.
    """

    size: int
    version: str
    # A listing may tell them otherwise than a look at one file.
    checksum: str = field(compare=False)
    modified: int = field(default=0, compare=False)


class Bucket:
    """The files below a URL.

    Args:
      url: from `addresses.checked`.
      query: what a web server wants after each address, such as a signature.
    """

    def __init__(self, url: str, query: str = ""):
        self.url = url
        self._query = query
        self.shown = addresses.redacted(url)
        # S3's aren't where files are encrypted with a key of one's own.
        self._tags_are_checksums = True

    @functools.cached_property
    def _driver(self) -> Any:
        kind = addresses.scheme(self.url)
        extra = addresses.SCHEMES[kind][1]
        try:
            import fsspec

            options = {} if kind in addresses.READ_ONLY else {"use_listings_cache": False}
            return fsspec.filesystem(kind, **options)
        except ImportError:
            raise DataError(
                f"{self.shown}: {kind}:// needs a driver; install it with: pip install "
                f"'t2tlite[{extra}]'"
            ) from None

    def _path(self, name: str) -> str:
        url = f"{self.url}/{name}" if name else self.url
        is_web = addresses.scheme(url) in addresses.READ_ONLY
        return url + self._query if is_web else url.partition("://")[2]

    def files(self) -> dict[str, RemoteFile]:
        """Returns the files below the URL, in folders too, by their names relative to it.

        Raises:
          DataError: there is no such bucket, or it can't be reached.
        """
        prefix = self._path("") + "/"

        def find() -> dict[str, Any]:
            self._driver.invalidate_cache()
            # A folder without files doesn't exist in a bucket; only a missing bucket raises.
            found: dict[str, Any] = self._driver.find(prefix, detail=True)
            return found

        found = self._retried(find, "list")
        files = {}
        for path, info in found.items():
            name = path.removeprefix(prefix)
            is_below = path.startswith(prefix) and not {"", ".."} & set(name.split("/"))
            if info.get("type") == "file" and is_below:
                files[name] = _remote_file(
                    info if info.get("size") is not None else self.info(name)
                )
        return files

    def info(self, name: str) -> Any:
        """Returns what the driver tells of a file."""
        self._driver.invalidate_cache()
        return self._driver.info(self._path(name))

    def find(self, name: str) -> RemoteFile | None:
        """Returns one file; None if there is none.

        Raises:
          DataError: the bucket can't be reached.
        """

        def find() -> RemoteFile | None:
            try:
                info = self.info(name)
            except FileNotFoundError:
                return None
            return None if info.get("type") == "directory" else _remote_file(info)

        return self._retried(find, f"look for {name} in")

    def fetch(self, name: str, target: Path, expected: RemoteFile) -> None:
        """Downloads a file, checks it, and gives it its name when it is complete.

        Raises:
          DataError: it can't be downloaded.
        """
        digests = set()

        def fetch() -> None:
            self._driver.get_file(self._path(name), os.fspath(target))
            size = target.stat().st_size
            if size != expected.size:
                raise _DamagedError(f"{size:,} of {expected.size:,} bytes came")
            if not self._is_right(target, expected.checksum):
                digest = checksums.md5(target)
                if not expected.checksum.startswith("etag:") or digest not in digests:
                    digests.add(digest)
                    raise _DamagedError("the checksum of what came is wrong")
                # The same bytes came twice.
                self._tags_are_checksums = False
            if expected.modified:
                # On all machines the same, as a manifest says of which time its sources were.
                os.utime(target, ns=(expected.modified, expected.modified))

        self._retried(fetch, f"fetch {name} from")

    def store(self, source: Path, name: str) -> RemoteFile:
        """Uploads a file and checks it.

        Raises:
          OutputError: it can't be uploaded.
        """

        def store() -> RemoteFile:
            before = source.stat()
            self._driver.put_file(os.fspath(source), self._path(name))
            stored = _remote_file(self.info(name))
            if source.stat().st_mtime_ns != before.st_mtime_ns:
                return stored  # a log that has grown meanwhile; the next upload has it all
            if stored.size != before.st_size:
                raise _DamagedError(f"{stored.size:,} of {before.st_size:,} bytes arrived")
            # S3 itself checks what it gets, and its tag needn't be a checksum.
            is_tag = stored.checksum.startswith("etag:")
            if not is_tag and checksums.matches(source, stored.checksum) is False:
                raise _DamagedError("the checksum of what arrived is wrong")
            return stored

        return self._retried(store, f"upload {name} to", OutputError)

    def remove(self, name: str) -> None:
        """Removes a file, if it is there.

        Raises:
          OutputError: it can't be removed.
        """

        def remove() -> None:
            with contextlib.suppress(FileNotFoundError):
                self._driver.rm_file(self._path(name))

        self._retried(remove, f"remove {name} from", OutputError)

    def _is_right(self, path: Path, checksum: str) -> bool:
        if checksum.startswith("etag:") and not self._tags_are_checksums:
            return True
        return checksums.matches(path, checksum) is not False

    def _retried(self, call: Callable[[], T], what: str, error_class: type[Error] = DataError) -> T:
        """Calls again after errors that may pass, with growing pauses."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call()
            except Exception as error:
                if isinstance(error, Error):
                    raise
                reason = _reason(error)
                final = isinstance(error, _FINAL) or type(error).__name__ in _FINAL_NAMES
                final = final or getattr(error, "errno", None) == errno.ENOSPC
                if final or attempt == ATTEMPTS:
                    raise error_class(f"can't {what} {self.shown}: {reason}") from error
                pause = RETRY_SECONDS * 2 ** (attempt - 1)
                log.info("%s: %s; trying again in %g s", self.shown, reason, pause)
                time.sleep(pause)
        raise AssertionError("unreachable")


def _remote_file(info: dict[str, Any]) -> RemoteFile:
    keys = ("generation", "ETag", "etag", "Last-Modified", "LastModified", "mtime")
    version = next((str(info[key]) for key in keys if info.get(key)), "")
    modified = info.get("LastModified") or info.get("mtime")
    nanoseconds = int(modified.timestamp()) * 10**9 if isinstance(modified, datetime) else 0
    size = int(info["size"])
    return RemoteFile(size, version or str(size), checksums.reported(info), nanoseconds)


def _reason(error: Exception) -> str:
    """Returns an error's message in one line, without what URLs in it may give away."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return addresses.redacted(lines[0] if lines else type(error).__name__)[:300]
