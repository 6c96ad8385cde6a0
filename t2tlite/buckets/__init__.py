"""Object storage: URLs of gs://, s3:// and https:// as files and folders on this machine."""

from __future__ import annotations

import os

from t2tlite.buckets import addresses, uploads
from t2tlite.buckets.cache import DIR_VARIABLE as DIR_VARIABLE
from t2tlite.buckets.cache import GB_VARIABLE as GB_VARIABLE
from t2tlite.buckets.mirror import mirror_of, mirrors, open_mirror
from t2tlite.errors import DataError

is_url = addresses.is_url
uploading = uploads.running
will_write = uploads.will_write


def local_folder(url: str, name: str = "") -> str:
    """Returns the path of the local copy of a folder, compared with the bucket.

    Shards and checkpoints are fetched when they are needed, everything else at once.

    Args:
      url: a URL; any other path is returned as it is, without a file://.
      name: of the flag or argument, for messages.

    Raises:
      DataError: the scheme is unknown, its driver isn't installed, or the bucket can't be reached.
    """
    if not is_url(url):
        return url
    if addresses.scheme(url) == "file":
        return url.partition("://")[2]
    return os.fspath(open_mirror(addresses.checked(url, name)).folder)


def local_file(url: str, name: str = "", *others: str) -> str:
    """Returns the path of the local copy of a file, which may not exist yet.

    Args:
      url, name: as for `local_folder`.
      *others: names of files in the same folder that are fetched, too, if they exist.

    Raises:
      DataError: as `local_folder`.
    """
    if not is_url(url):
        return url
    if addresses.scheme(url) == "file":
        return url.partition("://")[2]
    url, query = addresses.checked(url, name), ""
    if addresses.scheme(url) in addresses.READ_ONLY:
        url, mark, query = url.partition("?")
        query = mark + query
    folder, _, own = url.rpartition("/")
    return os.fspath(open_mirror(folder, [own, *others], query).folder / own)


def local_files(url: str, name: str = "") -> list[str]:
    """Returns the paths of local copies of the files that a URL with *, ? or [...] matches.

    Args:
      url: the wildcards are in its last part.
      name: as for `local_folder`.

    Raises:
      DataError: as `local_folder`, or no file matches.
    """
    folder, _, pattern = addresses.checked(url, name).rpartition("/")
    mirror = open_mirror(folder, [pattern])
    names = sorted(one for one in mirror.matching(pattern) if "/" not in one)
    if not names:
        raise DataError(f"{addresses.redacted(url)} matches no file; check the address")
    return [os.fspath(mirror.folder / one) for one in names]


def fetch(path: str | os.PathLike[str], *patterns: str) -> None:
    """Fetches a file, if it belongs to a bucket and isn't here; or those in a folder.

    Args:
      path: a file; with `patterns`, a folder.
      *patterns: shell patterns of names in the folder.

    Raises:
      DataError: it can't be fetched.
    """
    if found := mirror_of(path):
        mirror, name = found
        start = "" if name == "." else f"{name}/"
        names = [one for pattern in patterns for one in mirror.matching(start + pattern)]
        mirror.fetch(names if patterns else [name])


def size_of(path: str | os.PathLike[str]) -> int | None:
    """Returns the size of a file, here or in its bucket; None if there is no such file."""
    try:
        return os.stat(path).st_size
    except OSError:
        found = mirror_of(path)
        return found[0].size_of(found[1]) if found else None


def remove(path: str | os.PathLike[str]) -> None:
    """Removes a file, if it exists, here and in its bucket."""
    if found := mirror_of(path):
        found[0].remove(found[1])
    elif os.path.lexists(path):
        os.unlink(path)


def refresh(path: str | os.PathLike[str]) -> None:
    """Compares a folder with its bucket again, if it belongs to one.

    Raises:
      DataError: the bucket can't be reached.
    """
    if found := mirror_of(path):
        found[0].refresh()


def shown(path: str | os.PathLike[str]) -> str:
    """Returns a path as the user gave it: the URL of what belongs to a bucket."""
    found = mirror_of(path)
    return found[0].shown(os.path.abspath(path)) if found else os.fspath(path)


def with_urls(text: str) -> str:
    """Returns a text with the URLs of local copies in place of their paths."""
    for mirror in mirrors():
        text = text.replace(os.fspath(mirror.folder), mirror.bucket.shown)
    return text
