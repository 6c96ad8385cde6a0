"""Files of published data sets that the user puts into tmp_dir, known by size and checksum.

They are data that licences or size keep out of the package. A figure in docs/results.md means
something only for the very bytes that it was seen on.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from t2tlite.errors import DataError


@dataclass(frozen=True)
class KnownFile:
    """A file and how it is known.

    Attributes:
      name: its name in tmp_dir, where `NAME.gz`, the same packed by gzip, will do as well.
      size: bytes, unpacked.
      sha256: checksum of these, in hexadecimal.
    """

    name: str
    size: int
    sha256: str

    def find(self, problem: str, tmp_dir: str | os.PathLike[str] | None, source: str) -> Path:
        """Returns where the file is, once its bytes are known to be the right ones.

        Args:
          problem: name of the problem that reads it, for messages.
          tmp_dir: where the user put it.
          source: where it can be got, for messages.

        Raises:
          DataError: it is missing, or another one.
        """
        path = Path(tmp_dir or ".").expanduser() / self.name
        packed = path.with_name(f"{self.name}.gz")
        if not path.is_file() and packed.is_file():
            path = packed
        if not path.is_file():
            raise DataError(
                f"{problem}: {path} doesn't exist; get it ({self.size:,} bytes) from {source}, or "
                f"check --tmp_dir"
            )
        size, sha256 = self._measured(path, problem)
        if size != self.size:
            raise DataError(
                f"{problem}: {path} has {size:,} bytes; expected {self.size:,}: get it from "
                f"{source}"
            )
        if sha256 != self.sha256:
            raise DataError(
                f"{problem}: {path} has the SHA-256 {sha256}; expected {self.sha256}: get it from "
                f"{source}"
            )
        return path

    def _measured(self, path: Path, problem: str) -> tuple[int, str]:
        """Returns size and checksum of what a file holds."""
        unpacked = open if path.name == self.name else gzip.open
        try:
            with unpacked(path, "rb") as file:
                content = file.read()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{problem}: {path} isn't a whole gzip file ({error})") from None
        return len(content), hashlib.sha256(content).hexdigest()
