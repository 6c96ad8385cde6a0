"""Files of published data sets that the user puts into tmp_dir, verified by size and checksum.

The package doesn't contain them because of their licence or size. The figures in docs/results.md
hold for exactly these bytes.
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
    """A file with its checksum.

    Attributes:
      name: its name in tmp_dir; a gzipped `NAME.gz` is accepted too.
      size: uncompressed size in bytes.
      sha256: of the uncompressed content, in hexadecimal.
    """

    name: str
    size: int
    sha256: str

    def find(self, problem: str, tmp_dir: str | os.PathLike[str] | None, source: str) -> Path:
        """Returns the path of the file after verifying its content.

        Args:
          problem: name of the problem that reads it, for messages.
          tmp_dir: the folder that the user put it into.
          source: where to get it, for messages.

        Raises:
          DataError: the file is missing, or its size or checksum is wrong.
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
        """Returns the uncompressed size and the checksum of a file."""
        unpacked = open if path.name == self.name else gzip.open
        try:
            with unpacked(path, "rb") as file:
                content = file.read()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{problem}: {path} isn't a whole gzip file ({error})") from None
        return len(content), hashlib.sha256(content).hexdigest()
