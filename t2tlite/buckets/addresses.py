"""URLs of files and folders in buckets, and how they are shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from t2tlite.errors import DataError

# Scheme -> (scheme of the driver, the extra of t2tlite that installs it).
SCHEMES = {
    "gs": ("gs", "gcs"),
    "gcs": ("gs", "gcs"),
    "s3": ("s3", "s3"),
    "s3a": ("s3", "s3"),
    "http": ("http", "https"),
    "https": ("https", "https"),
}
READ_ONLY = ("http", "https")


def is_url(value: object) -> bool:
    """Whether a value is text with a scheme, such as s3://bucket/folder."""
    return isinstance(value, str) and re.match(r"[A-Za-z][\w+.-]*://", value) is not None


def scheme(url: str) -> str:
    """Returns the scheme of a URL in lower case."""
    return url.partition("://")[0].lower()


def checked(url: str, name: str = "") -> str:
    """Returns a URL as it is used: the driver's scheme, no slash at the end.

    Args:
      url: of a file or folder.
      name: of the flag or argument, for messages.

    Raises:
      DataError: its scheme isn't one of SCHEMES, or it names no bucket.
    """
    kind, _, rest = url.partition("://")
    shown = f"{name}={redacted(url)}" if name else redacted(url)
    if kind.lower() not in SCHEMES:
        raise DataError(f"{shown}: {kind}:// is unknown; expected a path, gs://, s3:// or https://")
    bucket = rest.split("/")[0]
    path = rest.partition("?")[0] if kind.lower() in READ_ONLY else rest
    if not bucket or {"", ".."} & set(path.rstrip("/").split("/")):
        raise DataError(f"{shown}: expected {kind}://BUCKET/FOLDER, without .. and //")
    return f"{SCHEMES[kind.lower()][0]}://{rest.rstrip('/')}"


def redacted(text: str) -> str:
    """Returns a text without the passwords and signatures that URLs in it may have."""
    text = re.sub(r"(?<=://)[^/@\s]*@", "", text)
    return re.sub(r"(https?://[^\s?'\"]*)\?[^\s'\")]*", r"\1", text)


def base_name(url: str) -> str:
    """Returns the last part of a URL's path; the bucket's or host's name if there is no path."""
    parts = urlsplit(url)
    return parts.path.rstrip("/").rpartition("/")[2] or parts.netloc.rpartition("@")[2]
