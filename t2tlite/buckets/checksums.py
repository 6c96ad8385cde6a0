"""Whether a file is the one that a bucket has, by the checksums that the service reports."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from typing import Any

import google_crc32c

_CHUNK_BYTES = 2**20
# Sizes of the parts of an upload, in MiB: s3fs's, then those of other programs.
_PART_MEBIBYTES = (50, 8, 16, 5, 64, 100, 10, 15, 20, 25, 32, 128)


def reported(info: dict[str, Any]) -> str:
    """Returns a file's checksum as the service reports it: "KIND:VALUE"; "" if it has none.

    The kinds are crc32c and md5; etag and parts, of S3, are an MD5, and one of an upload in parts,
    unless the file is encrypted with a key of one's own.

    Args:
      info: what a driver of fsspec tells of a file.
    """
    if crc32c := info.get("crc32c"):
        return f"crc32c:{crc32c}"
    if digest := info.get("md5Hash"):
        return f"md5:{base64.b64decode(digest).hex()}"
    etag = str(info.get("ETag") or "").strip('"')
    if re.fullmatch("[0-9a-f]{32}", etag):
        # S3's; a web server's entity tag isn't a checksum.
        return f"etag:{etag}" if "LastModified" in info else ""
    if re.fullmatch("[0-9a-f]{32}-[0-9]+", etag):
        return f"parts:{etag}"
    return ""


def matches(path: str | os.PathLike[str], checksum: str) -> bool | None:
    """Whether a file has a checksum; None if that can't be known.

    Args:
      path: the file.
      checksum: from `reported`.
    """
    kind, _, expected = checksum.partition(":")
    if kind == "crc32c":
        crc = 0
        for chunk in _chunks(path):
            crc = google_crc32c.extend(crc, chunk)
        return _base64(crc) == expected
    if kind in ("md5", "etag"):
        return md5(path) == expected
    if kind == "parts":
        return True if _has_parts(path, expected) else None
    return None


def of_bytes(data: bytes) -> list[str]:
    """Returns what `reported` returns for a small file with this content, by any service."""
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return [f"crc32c:{_base64(google_crc32c.value(data))}", f"md5:{md5}", f"etag:{md5}"]


def md5(path: str | os.PathLike[str]) -> str:
    """Returns the MD5 of a file in hexadecimal."""
    digest: str = _md5(path).hexdigest()
    return digest


def _base64(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()


def _has_parts(path: str | os.PathLike[str], expected: str) -> bool:
    """Whether S3's tag of an upload in parts is that of a file, for a usual size of the parts."""
    size, count = os.path.getsize(path), int(expected.rpartition("-")[2])
    for mebibytes in _PART_MEBIBYTES:
        part_bytes = mebibytes * 2**20
        if -(-size // part_bytes) != count:
            continue
        parts = [_md5(path, place, part_bytes).digest() for place in range(0, size, part_bytes)]
        if f"{hashlib.md5(b''.join(parts)).hexdigest()}-{count}" == expected:
            return True
    return False


def _md5(path: str | os.PathLike[str], start: int = 0, size: int | None = None) -> Any:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in _chunks(path, start, size):
        digest.update(chunk)
    return digest


def _chunks(
    path: str | os.PathLike[str], start: int = 0, size: int | None = None
) -> Iterator[bytes]:
    """Yields the bytes of a file, or of a part of it."""
    with open(path, "rb") as file:
        file.seek(start)
        while chunk := file.read(_CHUNK_BYTES if size is None else min(_CHUNK_BYTES, size)):
            size = None if size is None else size - len(chunk)
            yield chunk
