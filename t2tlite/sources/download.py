"""Downloads into a problem's tmp_dir: resumable, atomic, with checksums."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import logging
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from t2tlite import console
from t2tlite.errors import DownloadError
from t2tlite.files import atomic, cannot_write, locked
from t2tlite.sources.archives import gunzip_file as gunzip_file
from t2tlite.sources.archives import unpack as unpack

log = logging.getLogger(__name__)

ATTEMPTS = 3
# Pause before the second attempt; doubled before each further one.
RETRY_SECONDS = 1.0
TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 2**16

# Some servers reject Python's default User-Agent.
_HEADERS = {"User-Agent": "t2tlite"}

# Client errors after which another attempt may succeed.
_RETRY_STATUS = {
    http.HTTPStatus.REQUEST_TIMEOUT,
    http.HTTPStatus.TOO_MANY_REQUESTS,
    # The note is deleted then, so that the next attempt asks for the whole file.
    http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
}


class _Interrupted(Exception):
    """A transfer failed; `final` if another attempt would fail in the same way."""

    def __init__(self, reason: str, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def maybe_download(
    directory: str | os.PathLike[str], filename: str, uri: str, sha256: str | None = None
) -> str:
    """Returns the path of `directory/filename`, downloaded first if it isn't there, as in T2T.

    The file gets its name only when it is complete and its checksum is right, so an existing file
    (which the user may have put there) needs no network. A download that was stopped, even by a
    kill, resumes. If another run is downloading the same file, this one waits for it.

    Args:
      directory: where to keep it, usually a problem's tmp_dir; created if absent.
      filename: its name there.
      uri: its http, https, ftp or file address.
      sha256: its checksum in hexadecimal; None accepts any content. An existing file is checked
        too.

    Raises:
      DownloadError: it can't be downloaded, or its checksum is wrong.
      OutputError: it can't be written.
    """
    path = Path(directory).expanduser() / filename
    if path.exists():
        if sha256 is not None:
            _check_sha256(path, sha256, path, f"delete it to download {uri} again")
        return str(path)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _download(path, uri, sha256)
            break
        except _Interrupted as error:
            if error.final or attempt == ATTEMPTS:
                raise DownloadError(
                    f"can't download {uri}: {error}; check the address and the network, or get the "
                    f"file by other means and save it as {path}"
                ) from error
            wait = RETRY_SECONDS * 2 ** (attempt - 1)
            log.warning("%s: %s; trying again in %.0f s", uri, error, wait)
            time.sleep(wait)
    return str(path)


def maybe_download_from_drive(directory: str | os.PathLike[str], filename: str, url: str) -> str:
    """Returns the path of `directory/filename`, downloaded from Google Drive if it isn't there.

    Raises:
      DownloadError: as of `maybe_download`, or Google Drive answered with a web page.
      OutputError: it can't be written.
    """
    path = maybe_download(directory, filename, url)
    with open(path, "rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        os.remove(path)
        raise DownloadError(
            f"{url} returned a web page, not the file; open it in a browser and save the file as "
            f"{path}"
        )
    return path


def _download(path: Path, uri: str, sha256: str | None) -> None:
    """Makes one attempt, which resumes an earlier one if the server can."""
    part = path.with_name(f".{path.name}.part")
    # Identifies the content of the partial file.
    note = path.with_name(f".{path.name}.part.json")
    try:
        with locked(part, waiting=f"waiting for another run that downloads {part}") as file:
            if path.exists():
                # Another run downloaded it while this one waited.
                part.unlink()
                return
            try:
                # Reading raises only _Interrupted, so an OSError here is one of writing.
                for chunk in _chunks(uri, path.name, file, note):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
                if sha256 is not None:
                    advice = "check the address, or correct the checksum"
                    _check_sha256(part, sha256, uri, advice)
            except DownloadError:
                note.unlink(missing_ok=True)
                raise
            else:
                os.replace(part, path)
                note.unlink(missing_ok=True)
            finally:
                # Without a note the server's content can't be compared with this one later.
                if not note.exists():
                    part.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def _chunks(uri: str, name: str, file: IO[bytes], note: Path) -> Iterator[bytes]:
    """Yields the content of `uri` after what `file` has; raises _Interrupted if it ends early."""
    try:
        request = urllib.request.Request(uri, headers=_HEADERS)
    except ValueError as error:
        raise _Interrupted(str(error), final=True) from error
    received = file.tell()
    if received and (validator := _read_note(note, uri)):
        request.add_header("Range", f"bytes={received}-")
        # If the content has changed, the server sends the whole file.
        request.add_header("If-Range", validator)
    total = None
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            if getattr(response, "status", None) != http.HTTPStatus.PARTIAL_CONTENT:
                file.truncate(0)
                received = 0
            elif received:
                log.info("resuming %s after %s bytes", uri, f"{received:,}")
            total = int(response.headers.get("Content-Length") or 0) + received or None
            _write_note(note, uri, response.headers)
            with _show_progress(uri, name, total) as advance:
                advance(received)
                while chunk := response.read(_CHUNK_BYTES):
                    received += len(chunk)
                    yield chunk
                    advance(len(chunk))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            note.unlink(missing_ok=True)
        client = 400 <= error.code < 500 and error.code not in _RETRY_STATUS
        raise _Interrupted(f"the server answers {error.code} {error.reason}", client) from error
    except urllib.error.URLError as error:
        raise _Interrupted(str(error.reason), uri.startswith("file:")) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"interrupted after {received} bytes ({error!r})") from error
    # http.client takes a connection closed early for the end of the content.
    if total is not None and received < total:
        raise _Interrupted(f"interrupted after {received} of {total} bytes")


def _read_note(note: Path, uri: str) -> str:
    """Returns the identifier that `_write_note` wrote; "" if there is none of this address."""
    try:
        known = dict(json.loads(note.read_bytes()))
        return str(known["validator"]) if known["uri"] == uri else ""
    except (OSError, ValueError, TypeError, LookupError):
        return ""


def _write_note(note: Path, uri: str, headers: Mapping[str, str]) -> None:
    """Writes down an identifier of this content, if the server sends one."""
    entity = headers.get("ETag") or ""
    # A weak ETag doesn't guarantee equal bytes.
    validator = headers.get("Last-Modified") if entity.startswith("W/") or not entity else entity
    if validator and headers.get("Accept-Ranges") != "none":
        with atomic(note, "w") as file:
            json.dump({"uri": uri, "validator": validator}, file)
    else:
        note.unlink(missing_ok=True)


@contextlib.contextmanager
def _show_progress(uri: str, name: str, total: int | None) -> Iterator[Any]:
    """Shows progress: a bar on a terminal, or one log line. Yields a function of bytes."""
    if not console.on_terminal():
        size = f" ({total:,} bytes)" if total else ""
        log.info("downloading %s%s", uri, size)
        yield lambda size: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [TextColumn(name), BarColumn(), DownloadColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console.console(), transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda size: bar.advance(task, size)


def _check_sha256(path: Path, expected: str, source: str | Path, advice: str) -> None:
    with open(path, "rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected.lower():
        raise DownloadError(f"{source} has sha256 {actual}; expected {expected}: {advice}")
