"""The folder of local copies, and its bound.

A copy of s3://bucket/data is CACHE_DIR/KEY/data: its last part is the URL's, because a plugin
folder is imported by its name. What a running process uses, and what isn't uploaded yet, is never
dropped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from t2tlite.buckets import addresses, state
from t2tlite.errors import DataError

DIR_VARIABLE = "T2TLITE_CACHE_DIR"
GB_VARIABLE = "T2TLITE_CACHE_GB"
# Without a limit of the user's, the share of the disk's free space, copies included, for copies.
_SHARE = 0.9

# Locks that tell other processes which copies this one uses.
_in_use: list[object] = []


def folder() -> Path:
    """Returns the folder of local copies, $T2TLITE_CACHE_DIR or one in the user's cache."""
    if chosen := os.environ.get(DIR_VARIABLE):
        return Path(chosen).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # A relative path is invalid by the XDG standard.
    return Path(cache if os.path.isabs(cache) else Path.home() / ".cache", "t2tlite", "buckets")


def copy_of(url: str, name: str) -> Path:
    """Returns the path of the local copy of a URL, which is called `name`."""
    key = hashlib.sha256(addresses.redacted(url).encode()).hexdigest()[:16]
    return folder() / key / name


def use(copy: Path) -> None:
    """Keeps a local copy from being dropped while this process runs."""
    path = _use_path(copy)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = state.locked(path, shared=True)
    lock.__enter__()
    _in_use.append(lock)
    os.utime(path)


def make_room(size: int, shown: str) -> None:
    """Drops local copies, the one that was used longest ago first, until `size` bytes fit.

    Args:
      size: bytes that will be fetched.
      shown: what they are, for the message.

    Raises:
      DataError: they don't fit, though nothing else could be dropped.
    """
    cache = folder()
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    used = sum(path.stat().st_size for path in _files(cache))
    free = shutil.disk_usage(cache).free
    limit = _limit() or int((used + free) * _SHARE)
    limit = min(limit, used + free)
    copies = [path.with_name(path.name[1:].removesuffix(".bucket.json")) for path in _states(cache)]
    for copy in sorted(copies, key=_last_use):
        if used + size <= limit:
            return
        used -= _drop(copy)
    if used + size > limit:
        raise DataError(
            f"{shown} needs {size / 1e9:.3g} GB, but of the {limit / 1e9:.3g} GB of the cache in "
            f"{cache} {used / 1e9:.3g} are in use; raise --cache_gb or choose another --cache_dir"
        )


def _limit() -> int:
    """Returns the user's limit in bytes; 0: none."""
    chosen = os.environ.get(GB_VARIABLE) or "0"
    try:
        return int(float(chosen) * 1e9)
    except (ValueError, OverflowError):
        raise DataError(f"{GB_VARIABLE}={chosen!r:.40}; expected a number of gigabytes") from None


def _drop(copy: Path) -> int:
    """Removes the files of a copy that the bucket has, too, if no process uses it.

    Returns:
      How many bytes that made free.
    """
    freed = 0
    with state.locked(_use_path(copy), wait=False) as held:
        if not held:
            return 0
        with state.changing(copy) as known:
            for name, entry in known.files.items():
                path = copy / name
                if entry.remote and entry.local and state.of_file(path) == entry.local:
                    freed += entry.local[0]
                    path.unlink()
                    entry.local = []
    return freed


def _use_path(copy: Path) -> Path:
    return copy.with_name(f".{copy.name}.in-use")


def _last_use(copy: Path) -> float:
    path = _use_path(copy)
    return path.stat().st_mtime if path.exists() else 0.0


def _states(cache: Path) -> list[Path]:
    return list(cache.glob("*/.*.bucket.json"))


def _files(cache: Path) -> Iterator[Path]:
    return (path for path in cache.rglob("*") if path.is_file() and not path.is_symlink())
