"""`Table`: what a user says of a table problem, and `Description`: that and what was found."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from t2tlite import buckets
from t2tlite.data.manifest import DESCRIBED, from_json
from t2tlite.errors import DataError
from t2tlite.files import atomic, read_json

FORMAT = 1

# The kinds of table problems: the names of `--problem`, with the columns that each has.
TEXT2TEXT, TEXT2CLASS, TEXT2SELF = "text2text_table", "text2class_table", "text2self_table"
COLUMNS = {
    TEXT2TEXT: ("inputs", "targets"),
    TEXT2CLASS: ("inputs", "label"),
    TEXT2SELF: ("targets",),
}
DATA_FORMATS = ("csv", "tsv", "jsonl", "parquet", "arrow", "text")
_MAX_VOCAB_SIZE = 2**20
# The share of the inputs that is for evaluation if nothing else says what is.
_DEV_SHARE = 0.05


@dataclass(frozen=True)
class Table:
    """The arguments of a table problem, under the names of t2t-datagen's flags.

    Attributes:
      problem: a key of `COLUMNS`.
      data_files, dev_files, test_files: paths or patterns; several texts side by side with "+".
        Empty for rows that were given in Python.
      hub_dataset: a data set on the Hugging Face Hub, OWNER/NAME or OWNER/NAME:CONFIG.
      data_format: of the files, one of DATA_FORMATS; "": as their names say.
      csv_delimiter: between the cells of CSV files.
      inputs, targets, label: columns by name, by path in nested values ("translation.en"), or by
        position from 0; "": the column of this name or, without names, the first and the second.
      split_column: says "train", "dev" or "test" in each row.
      dev_share, test_share: of the different inputs; None: 0.05 and 0 if nothing else makes splits.
      max_chars: rows with a longer text are left out; 0: none.
      max_ratio: rows are left out of which one text is more than this many times as long as the
        other, in characters; 0: none.
      drop_duplicates: whether a row that occurred before in the same split is left out.
      vocab_size: about how many tokens the vocabulary gets; 0: bytes.
    """

    problem: str
    data_files: list[str] = field(default_factory=list)
    dev_files: list[str] = field(default_factory=list)
    test_files: list[str] = field(default_factory=list)
    hub_dataset: str = ""
    data_format: str = ""
    csv_delimiter: str = ""
    inputs: str = ""
    targets: str = ""
    label: str = ""
    split_column: str = ""
    dev_share: float | None = None
    test_share: float | None = None
    max_chars: int = 0
    max_ratio: float = 0.0
    drop_duplicates: bool = False
    vocab_size: int = 8000

    def check(self) -> None:
        """Raises DataError if an argument is impossible, or two contradict each other."""
        columns = COLUMNS[self.problem]
        for name in ("inputs", "targets", "label"):
            if getattr(self, name) and name not in columns:
                raise DataError(
                    f"{name}={getattr(self, name)!r}: {self.problem} has the columns "
                    f"{' and '.join(columns)}; leave it out, or choose another problem"
                )
        if self.data_format not in ("", *DATA_FORMATS):
            raise DataError(
                f"data_format={self.data_format!r}; expected one of {', '.join(DATA_FORMATS)}"
            )
        if self.csv_delimiter and (len(self.csv_delimiter) != 1 or self.csv_delimiter in '"\r\n'):
            raise DataError(f"csv_delimiter={self.csv_delimiter!r}; expected one character")
        if self.hub_dataset and (self.data_files or self.dev_files or self.test_files):
            raise DataError(f"hub_dataset={self.hub_dataset!r} and files; give one of them")
        shares = {"dev_share": self.dev_share, "test_share": self.test_share}
        for name, share in shares.items():
            if share is not None and not 0 <= share < 1:
                raise DataError(f"{name}={share}; expected a share of the inputs, such as 0.05")
            if share and (self.split_column or getattr(self, name.replace("share", "files"))):
                raise DataError(f"{name}={share} and other data for this split; give one of them")
        if sum(share or 0 for share in shares.values()) >= 1:
            raise DataError("dev_share and test_share leave nothing to train on; lower them")
        if self.max_chars < 0 or not (self.max_ratio == 0 or 1 <= self.max_ratio < math.inf):
            raise DataError(
                f"max_chars={self.max_chars}, max_ratio={self.max_ratio}; expected a number of "
                f"characters and a ratio of at least 1, or 0 for no limit"
            )
        if not 0 <= self.vocab_size <= _MAX_VOCAB_SIZE:
            raise DataError(
                f"vocab_size={self.vocab_size}; expected 0 (bytes) to {_MAX_VOCAB_SIZE}"
            )

    def shares(self, has_dev: bool) -> tuple[float, float]:
        """Returns the shares for evaluation and for testing.

        Args:
          has_dev: whether files, or a data set itself, have a split for evaluation.

        Raises:
          DataError: nothing is for evaluation.
        """
        if self.split_column:
            return 0.0, 0.0
        dev = self.dev_share
        if dev is None:
            dev = 0.0 if has_dev else _DEV_SHARE
        if not dev and not has_dev:
            raise DataError("dev_share=0 and no dev_files; give one of them: training evaluates")
        return dev, self.test_share or 0.0

    def differences(self, earlier: Table) -> list[str]:
        """Returns what differs from earlier arguments: "vocab_size (8000 then, 4000 now)"."""
        now, then = asdict(self), asdict(earlier)
        return [
            f"{name} ({_shown(then[name])} then, {_shown(value)} now)"
            for name, value in now.items()
            if value != then[name]
        ]


def _shown(value: object) -> str:
    text = ",".join(value) if isinstance(value, list) else str(value)
    return text if text != "" else "none"


@dataclass
class Dropped:
    """Rows that were left out for one reason.

    Attributes:
      count: their number.
      first: where the first of them is, and what is wrong with it.
    """

    count: int = 0
    first: str = ""


@dataclass(frozen=True)
class Description:
    """A table problem in a data folder; the content of NAME.problem.json.

    Attributes:
      name: of the problem.
      table: the arguments.
      counts: numbers of samples by split, those that were left out not counted.
      parts: number of parts that the samples were read in.
      dropped: rows that were left out, by reason.
      labels: all labels, sorted, numbers by value.
      sources: size, and modification time in ns, of each file that was read, by path or URL.
      sha256: of rows that were given in Python.
      format: version of this file's format.
    """

    name: str
    table: Table
    counts: dict[str, int]
    parts: int = 1
    dropped: dict[str, Dropped] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    sources: dict[str, list[int]] = field(default_factory=dict)
    sha256: str = ""
    format: int = FORMAT

    def write(self, data_dir: str | os.PathLike[str]) -> None:
        """Writes the description into a data folder."""
        with atomic(description_path(data_dir, self.name), "w") as file:
            json.dump(asdict(self), file, ensure_ascii=False, indent=1)
            file.write("\n")


def description_path(data_dir: str | os.PathLike[str], name: str) -> Path:
    """Returns the path of the description of a problem."""
    return Path(data_dir) / f"{name}{DESCRIBED}"


def described_in(data_dir: str | os.PathLike[str]) -> list[str]:
    """Returns the names of the problems that a data folder describes."""
    buckets.fetch(data_dir, f"*{DESCRIBED}")
    return sorted(
        path.name.removesuffix(DESCRIBED) for path in Path(data_dir).glob(f"*{DESCRIBED}")
    )


def read_description(data_dir: str | os.PathLike[str], name: str) -> Description | None:
    """Reads the description of a problem; None if there is none.

    Raises:
      DataError: it is damaged, or of a later t2tlite.
    """
    path = description_path(data_dir, name)
    buckets.fetch(data_dir, path.name)
    if not path.exists():
        return None
    try:
        values: Mapping[str, Any] = read_json(path)
        if values["format"] > FORMAT:
            raise DataError(
                f"{path} has format {values['format']!a}, and this t2tlite reads formats up to "
                f"{FORMAT}; upgrade t2tlite"
            )
        made: Description = from_json(Description, values)
        made.table.check()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged ({error}); delete it, and run t2t-datagen --overwrite"
        ) from None
    if made.name != name or made.table.problem not in COLUMNS:
        raise DataError(f"{path} is damaged: it describes {made.name!a}; restore it")
    return made


def columns_of(table: Table, named: bool) -> dict[str, str]:
    """Returns the columns to read, by feature.

    Args:
      table: the arguments.
      named: whether the rows have names for their cells.
    """
    features = COLUMNS[table.problem]
    columns = {
        feature: getattr(table, feature) or (feature if named else str(position))
        for position, feature in enumerate(features)
    }
    return {**columns, "split": table.split_column} if table.split_column else columns
