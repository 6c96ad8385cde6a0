"""Object storage: URLs of gs://, s3:// and https:// as files and folders on this machine."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from t2tlite.buckets import addresses, cache, uploads
from t2tlite.buckets.cache import DIR_VARIABLE as DIR_VARIABLE
from t2tlite.buckets.cache import GB_VARIABLE as GB_VARIABLE
from t2tlite.buckets.drivers import Bucket
from t2tlite.buckets.mirror import mirror_of, mirrors, open_mirror
from t2tlite.errors import DataError

# Flags, and arguments of the functions in Python, whose values may be URLs; several files, and
# several plugins, are joined by commas.
FOLDERS = (
    *("data_dir", "tmp_dir", "output_dir", "model_dir", "export_dir"),
    *("translations_dir", "event_dir"),
)
FILES = (
    *("decode_from_file", "decode_to_file", "decode_prefix_file", "decode_reference"),
    *("score_file", "hparams_json_path", "translation", "reference", "source"),
    *("page_texts", "answers"),
)
# A folder, or a file in one: a plugin, a checkpoint.
EITHER = ("t2t_usr_dir", "warm_start_from", "checkpoint_path", "from")
_IS_FILE = re.compile(r".*\.py|.*\.safetensors|model\.ckpt-\d+(-raw)?")

is_url = addresses.is_url
uploading = uploads.running
will_write = uploads.will_write


def local(name: str, value: Any) -> Any:
    """Returns the value of a flag or argument with paths of local copies in place of URLs.

    Args:
      name: one of FOLDERS, FILES and EITHER; the values of others are returned as they are.
      value: a path, a URL, or several joined by commas.

    Raises:
      DataError: as `local_folder`.
    """
    if not isinstance(value, str) or "://" not in value:
        return value
    if name in FOLDERS:
        return local_folder(value, f"--{name}")
    if name in FILES:
        return ",".join(_local_file(name, one) for one in _split(value))
    return ",".join(_local_either(name, one) for one in _split(value)) if name in EITHER else value


def _split(value: str) -> list[str]:
    """Splits values at the commas after which a URL or a path begins; a name may have others."""
    return re.split(r",(?=\w[\w+.-]*://|[/~.])", value)


def _local_file(name: str, url: str) -> str:
    base, others = addresses.base_name(url), list[str]()
    if name == "decode_to_file":
        # An interrupted decode goes on with the file beside its output.
        others = [f".{base}.part"]
    elif name == "answers":
        others = [f"{base}.inputs", f"{base}.targets*"]
    return local_file(url, f"--{name}", *others)


def _local_either(name: str, url: str) -> str:
    if not is_url(url):
        return url
    folder, _, own = url.rstrip("/").rpartition("/")
    if name == "t2t_usr_dir" and own.endswith(".py"):
        return local_file(url, f"--{name}")
    path = local_folder(folder, f"--{name}") if _IS_FILE.fullmatch(own) else ""
    path = os.path.join(path, own) if path else local_folder(url, f"--{name}")
    if name == "from":
        # T2T's checkpoints are named as shards.
        fetch(path if os.path.isdir(path) else os.path.dirname(path), "*")
    return path


def copy_path(url: str) -> str:
    """Returns the path that the local copy of a folder has, or would have."""
    return os.fspath(cache.copy_of(addresses.checked(url), addresses.base_name(url.rstrip("/"))))


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
      *others: names, or shell patterns, of files in the same folder that are fetched, too, if they
        exist.

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


def upload(path: str | os.PathLike[str]) -> None:
    """Uploads what is new in a folder at once, if it belongs to a bucket.

    Raises:
      OutputError: that failed.
    """
    if found := mirror_of(path):
        uploads.upload(found[0], wait=True)


def send(path: str | os.PathLike[str], url: str) -> None:
    """Uploads one file, of any folder.

    Raises:
      OutputError: that failed.
    """
    folder, _, name = addresses.checked(url).rpartition("/")
    Bucket(folder).store(Path(path), name)


def receive(url: str, path: str | os.PathLike[str]) -> None:
    """Downloads one file to any folder.

    Raises:
      DataError: it isn't there, or can't be fetched.
    """
    folder, _, name = addresses.checked(url).rpartition("/")
    bucket = Bucket(folder)
    found = bucket.find(name)
    if found is None:
        raise DataError(f"{url} doesn't exist")
    temporary = Path(f"{os.fspath(path)}.{secrets.token_hex(8)}.tmp")
    try:
        bucket.fetch(name, temporary, found)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_folder(url: str) -> None:
    """Removes all files of a folder of a bucket, and their copies.

    Raises:
      OutputError: that failed.
    """
    bucket = Bucket(addresses.checked(url))
    for name in bucket.files():
        bucket.remove(name)
    shutil.rmtree(copy_path(url), ignore_errors=True)


def is_read_only(path: str | os.PathLike[str]) -> bool:
    """Whether a path belongs to a web server, where nothing can be written."""
    found = mirror_of(path)
    return found is not None and found[0].is_read_only


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
