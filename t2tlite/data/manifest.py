"""`{problem}.manifest.json`: what a data folder holds, and what it was made from."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2tlite.errors import DataError
from t2tlite.files import atomic

FORMAT = 1


@dataclass
class Split:
    """One split of a made data set.

    Attributes:
      shards: files.
      examples: records in all of them.
      tokens: sum of lengths by feature.
      max_length: longest by feature, in tokens.
      empty: examples whose text is empty, by feature.
      bytes: size by file name.
    """

    shards: int = 0
    examples: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    max_length: dict[str, int] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)


@dataclass
class Manifest:
    """A made data set.

    Attributes:
      problem: its registered name.
      splits: by name: train, eval, test.
      seed: of the shuffle.
      vocabularies: sha256 by file name.
      source: sha256 of the source code of the problem's class.
      sources: size, and time of change in ns, of the files below tmp_dir that it was made from.
      versions: of the libraries whose change could change the data.
    """

    problem: str
    seed: int
    splits: dict[str, Split] = field(default_factory=dict)
    vocabularies: dict[str, str] = field(default_factory=dict)
    source: str = ""
    sources: dict[str, list[int]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def write(self, folder: str | Path) -> None:
        """Writes it into a data folder, whole or not at all."""
        self.write_to(path_of(folder, self.problem))

    def write_to(self, path: Path) -> None:
        """Writes it as a file, whole or not at all."""
        with atomic(path, "w") as file:
            json.dump(dataclasses.asdict(self), file, indent=1)
            file.write("\n")


def path_of(folder: str | Path, problem: str) -> Path:
    """Where the manifest of `problem` lies."""
    return Path(folder) / f"{problem}.manifest.json"


def read(folder: str | Path, problem: str) -> Manifest | None:
    """Reads the manifest of `problem`; None where there is none, as in T2T's folders.

    Raises:
      DataError: it isn't JSON, or of a later format.
    """
    path = path_of(folder, problem)
    return read_from(path) if path.exists() else None


def read_from(path: Path) -> Manifest:
    """Reads a manifest.

    Raises:
      DataError: it isn't JSON, or of a later format.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] > FORMAT:
            raise DataError(
                f"{path} has format {values['format']}, this t2tlite knows {FORMAT}; upgrade it"
            )
        splits = {name: Split(**split) for name, split in values.pop("splits").items()}
        return Manifest(splits=splits, **values)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); run t2t-datagen --overwrite") from None
