"""Files of published data sets that the user puts into tmp_dir, known by size and checksum.

They are data that licences or size keep out of the package. A figure in docs/results.md means
something only for the very bytes that it was seen on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from t2tlite import download
from t2tlite.errors import DataError


@dataclass(frozen=True)
class KnownFile:
    """A file and how it is known.

    Attributes:
      name: its name in tmp_dir.
      size: bytes.
      sha256: checksum, in hexadecimal.
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
        if not path.is_file():
            raise DataError(
                f"{problem}: {path} doesn't exist; get it ({self.size:,} bytes) from {source}, or "
                f"check --tmp_dir"
            )
        size = path.stat().st_size
        if size != self.size:
            raise DataError(
                f"{problem}: {path} has {size:,} bytes; expected {self.size:,}: get it from "
                f"{source}"
            )
        found = download.sha256_of(path)
        if found != self.sha256:
            raise DataError(
                f"{problem}: {path} has the SHA-256 {found}; expected {self.sha256}: get it from "
                f"{source}"
            )
        return path
