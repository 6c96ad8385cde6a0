"""Unpacks archives of data, whatever they contain: the whole content is verified and bounded.

Archives of data hold files and folders. Links, devices and names that lead out of the folder are
refused, rather than left to Python's `tarfile`, whose filter can be evaded (CVE-2025-4517).
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import logging
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from t2tlite.errors import DownloadError
from t2tlite.files import atomic, cannot_write, locked

log = logging.getLogger(__name__)

# Text is rarely packed to less than a tenth; a few small files may be.
MAX_RATIO = 100
MAX_BYTES = 100 * 10**9
ALWAYS_ALLOWED_BYTES = 10 * 10**6

_CHUNK_BYTES = 2**20
_MAX_NAME_BYTES, _MAX_PATH_BYTES = 255, 1000
# Of long names, and of attributes that are not used: `tarfile` takes quadratic time for them.
_MAX_HEADER_BYTES = 2**13
_EXTENDED_HEADERS = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_DECOMPRESSORS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_ENCRYPTED = 1
# The last record of a zip file, and its comment.
_ZIP_END, _MAX_ZIP_END_BYTES = b"PK\5\6", 22 + 2**16
# What the standard library raises for damaged archives, apart from OSError.
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError),
    *(ArithmeticError, LookupError, RuntimeError, ValueError),
)

# The path of a file or folder inside an archive, and what a file contains.
_Member = tuple[PurePosixPath, Iterator[bytes] | None]


def unpack(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str], max_bytes: int | None = None
) -> None:
    """Unpacks a .tar, .tgz, .tar.gz (.bz2, .xz), .zip or .gz file into a folder.

    Files that exist in the folder are kept. New ones appear after all are unpacked, each of them
    complete.

    Args:
      archive: the file.
      folder: where to put its content.
      max_bytes: the most that it may unpack to; None: 100 times its own size, and 100 GB. 10 MB are
        always allowed.

    Raises:
      DownloadError: the archive is of another kind, damaged or encrypted, is too large, or holds
        links, devices or paths outside the folder.
      OutputError: the folder can't be written to.
    """
    archive, folder = Path(archive), Path(folder)
    log.info("unpacking %s into %s", archive, folder)
    limit = _Limit(archive, folder, max_bytes)
    try:
        with _working_folder(archive, folder) as unpacked:
            for path, content in _members(archive, limit):
                _write(unpacked / path, content, f"{archive} holds {str(path)!r}")
            _move(unpacked, folder)
    except OSError as error:
        raise cannot_write(folder, error) from error


def gunzip_file(gz_path: str | os.PathLike[str], new_path: str | os.PathLike[str]) -> None:
    """Unpacks a gzip file, unless `new_path` exists.

    Raises:
      DownloadError: `gz_path` is missing, isn't a whole gzip file, or is too large for `unpack`.
      OutputError: `new_path` can't be written.
    """
    if os.path.exists(new_path):
        return
    if not os.path.exists(gz_path):
        raise DownloadError(f"{gz_path} doesn't exist; download it first")
    gz_path, new_path = Path(gz_path), Path(new_path)
    limit = _Limit(gz_path, new_path.parent)
    chunks = _chunks(gz_path, limit, partial(gzip.open, gz_path), "isn't a whole gzip file")
    with atomic(new_path) as unpacked:
        unpacked.writelines(chunks)


@contextlib.contextmanager
def _working_folder(archive: Path, folder: Path) -> Iterator[Path]:
    """Makes a folder in `folder` that is removed at the end; after a kill, by the next run."""
    path = folder / f".{archive.name}.unpacked"
    lock_path = folder / f".{archive.name}.lock"
    with locked(lock_path, waiting=f"waiting for another run that unpacks {archive}"):
        try:
            if path.exists():
                shutil.rmtree(path)
            path.mkdir()
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            lock_path.unlink(missing_ok=True)


class _Limit:
    """Counts what an archive unpacks to.

    Args:
      archive: the archive.
      folder: where it is unpacked.
      max_bytes: as for `unpack`.
    """

    def __init__(self, archive: Path, folder: Path, max_bytes: int | None = None):
        self._archive, self._folder = archive, folder
        with _reading(archive):
            self._size = archive.stat().st_size
        default = max(ALWAYS_ALLOWED_BYTES, min(MAX_BYTES, MAX_RATIO * self._size))
        self._max_bytes = default if max_bytes is None else max_bytes
        self._bytes = 0

    def add(self, size: int) -> None:
        """Raises DownloadError if this makes more than the archive may unpack to."""
        self._bytes += size
        if self._bytes > self._max_bytes:
            raise DownloadError(
                f"{self._archive} has {self._size:,} bytes and unpacks to more than "
                f"{self._max_bytes:,}; get it from a source that you trust, or, if you trust it, "
                f"unpack it yourself into {self._folder} (in Python: "
                f"download.unpack(archive, folder, max_bytes=...))"
            )


class _CountedStream(io.RawIOBase):
    """A decompressed stream of which each byte that is read counts."""

    def __init__(self, stream: IO[bytes], limit: _Limit):
        self._stream, self._limit = stream, limit

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._limit.add(len(content))
        return content


class _Header(tarfile.TarInfo):
    """A header of a tar file, of which `tarfile` alone would ignore that it is damaged."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            # The end is a block of zeros.
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(f"damaged or cut off: {error}") from error
        if header.size < 0 or (
            header.type in _EXTENDED_HEADERS and header.size > _MAX_HEADER_BYTES
        ):
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


def _members(archive: Path, limit: _Limit) -> Iterator[_Member]:
    """Yields the members of an archive, each to be read before the next one is asked for."""
    with _reading(archive), open(archive, "rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
        decompress = next((_DECOMPRESSORS[m] for m in _DECOMPRESSORS if start.startswith(m)), None)
        is_tar = _is_tar_header(start)
        if decompress:
            with decompress(archive) as stream:
                is_tar = _is_tar_header(stream.read(tarfile.BLOCKSIZE))
        if is_tar:
            yield from _tar_members(archive, limit, decompress or io.FileIO)
        elif archive.suffix == ".gz" and decompress is gzip.open:
            yield PurePosixPath(archive.stem), _chunks(archive, limit, partial(gzip.open, archive))
        elif zipfile.is_zipfile(file):
            yield from _zip_members(archive, limit)
        else:
            raise tarfile.ReadError("found no tar, zip or gzip file")


def _is_tar_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _tar_members(
    archive: Path, limit: _Limit, decompress: Callable[[Path], IO[bytes]]
) -> Iterator[_Member]:
    with decompress(archive) as stream:
        counted = _CountedStream(stream, limit)
        with tarfile.open(fileobj=counted, mode="r|", tarinfo=_Header) as packed:
            for header in packed:
                path = _check_name(archive, header.name)
                if header.isdir():
                    yield path, None
                elif header.isfile() and not header.issparse():
                    yield path, _chunks(archive, None, partial(packed.extractfile, header))
                else:
                    raise _refused(archive, header.name, "is a link, a device or a sparse file")
        # The end of a compressed file has the checksum.
        while counted.read(_CHUNK_BYTES):
            pass


def _zip_members(archive: Path, limit: _Limit) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        _check_count(archive, len(packed.infolist()))
        for entry in packed.infolist():
            path = _check_name(archive, entry.filename)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, entry.filename, "is a link or a device")
            if entry.flag_bits & _ENCRYPTED:
                raise DownloadError(
                    f"{archive} is encrypted; unpack it yourself, with its password, or get it "
                    f"without encryption"
                )
            if entry.is_dir():
                yield path, None
            else:
                yield path, _chunks(archive, limit, partial(packed.open, entry))


def _check_count(archive: Path, count: int) -> None:
    """Compares the number of a zip file's entries with the one at its end.

    `zipfile` doesn't, and skips entries if a length among them is damaged.
    """
    with open(archive, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _MAX_ZIP_END_BYTES))
        end = file.read()
    (expected,) = struct.unpack_from("<H", end, end.rindex(_ZIP_END) + 10)
    # The highest number stands for more entries than it can count.
    if expected not in (count & 0xFFFF, 0xFFFF):
        raise zipfile.BadZipFile(f"found {count} of {expected} entries")


def _chunks(
    archive: Path,
    limit: _Limit | None,
    open_content: Callable[[], Any],
    damaged: str = "can't be unpacked",
) -> Iterator[bytes]:
    with _reading(archive, damaged), open_content() as content:
        while chunk := content.read(_CHUNK_BYTES):
            if limit:
                limit.add(len(chunk))
            yield chunk


@contextlib.contextmanager
def _reading(archive: Path, damaged: str = "can't be unpacked") -> Iterator[None]:
    """Turns what the standard library raises into a DownloadError."""
    try:
        yield
    except (OSError, *_DAMAGE) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        unknown = isinstance(error, NotImplementedError)
        advice = "unpack it yourself" if unknown else "delete it and get it again"
        raise DownloadError(f"{archive} {damaged} ({reason}); {advice}") from error


def _check_name(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise _refused(archive, name, "isn't a path inside the folder")
    sizes = [len(os.fsencode(part)) for part in path.parts]
    if max(sizes, default=0) > _MAX_NAME_BYTES or sum(sizes) + len(sizes) > _MAX_PATH_BYTES:
        raise _refused(archive, name[:40] + "...", "has a name that is too long")
    return path


def _refused(archive: Path, name: str, reason: str) -> DownloadError:
    return DownloadError(
        f"{archive}: {name!r} {reason}; expected an archive of files and folders: get it from a "
        f"source that you trust, or unpack what you need from it yourself"
    )


def _write(path: Path, content: Iterator[bytes] | None, what: str) -> None:
    try:
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            file.writelines(content)
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise DownloadError(
            f"{what} as a file and as a folder; delete it and get it again"
        ) from None


def _move(source: Path, target: Path) -> None:
    """Moves the content of a folder into another one, except files that exist there."""
    for path in source.iterdir():
        new_path = target / path.name
        if path.is_dir() and new_path.is_dir():
            _move(path, new_path)
        elif not new_path.exists():
            os.replace(path, new_path)
