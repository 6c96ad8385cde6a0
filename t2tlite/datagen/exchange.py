"""Where the machines of a pipeline leave files for each other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from t2tlite import buckets
from t2tlite.errors import OutputError


@dataclass(frozen=True)
class Exchange:
    """A folder that all machines share, or one of a bucket, of which each machine has a copy.

    Attributes:
      folder: the shared folder, under the same path everywhere; with `url`, unused.
      url: of the folder in a bucket; "": there is none.
    """

    folder: str
    url: str = ""

    @property
    def path(self) -> Path:
        """The folder on this machine."""
        return Path(buckets.copy_path(self.url) if self.url else self.folder)

    def check(self) -> None:
        """Creates the copy of a bucket's folder.

        Raises:
          OutputError: this machine doesn't see the shared folder.
        """
        if self.url:
            self.path.mkdir(parents=True, exist_ok=True)
        elif not self.path.is_dir():
            raise OutputError(
                f"a worker doesn't find {self.folder}; all workers must share the folder that "
                f"--data_dir is in, or --data_dir must be in a bucket"
            )

    def send(self, name: str) -> None:
        """Makes a file of this machine's folder one of all machines."""
        if self.url:
            buckets.send(self.path / name, f"{self.url}/{name}")

    def receive(self, name: str, target: Path | None = None) -> Path:
        """Returns the path of a file that some machine has sent, or moves it to `target`.

        Raises:
          DataError: none has.
        """
        path = target or self.path / name
        if self.url and (target or not path.exists()):
            buckets.receive(f"{self.url}/{name}", path)
        elif target:
            os.replace(self.path / name, target)
        return path

    def remove(self) -> None:
        """Removes everything from the bucket."""
        if self.url:
            buckets.remove_folder(self.url)
