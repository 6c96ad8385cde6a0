"""Finds the files of a table, what format each has, and which split they are for."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite import libraries
from t2tlite.assignments import shown
from t2tlite.errors import DataError
from t2tlite.files import matching, read_json
from t2tlite.tables.splits import SPLITS
from t2tlite.tables.table import Table

log = logging.getLogger(__name__)

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
# Endings of files that aren't tables, and what to do with them.
_NO_TABLES = {
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), "unpack it"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save it as CSV"),
}
# Endings that say how a file is packed.
PACKED = (".gz", ".bz2", ".xz", ".zst")
# Between files whose lines belong together.
_BESIDE = "+"


@dataclass(frozen=True)
class Part:
    """Files that are read together: one, or texts side by side.

    Attributes:
      paths: of the files.
      data_format: one of DATA_FORMATS.
      split: "train", "eval" or "test".
    """

    paths: tuple[str, ...]
    data_format: str
    split: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return _BESIDE.join(self.paths)

    @property
    def is_named(self) -> bool:
        """Whether its rows have names for their cells."""
        return self.data_format != "text"


def find(table: Table) -> list[Part]:
    """Returns the parts of a table in the order of its arguments; files of a pattern are sorted.

    Raises:
      DataError: there is no such file, or there are no files at all.
    """
    if table.hub_dataset:
        return _from_hub(table.hub_dataset)
    parts: list[Part] = []
    for split, given in (
        ("train", table.data_files),
        ("eval", table.dev_files),
        ("test", table.test_files),
    ):
        for pattern in given:
            parts += _parts(pattern, table.data_format, split)
    if not any(part.split == "train" for part in parts):
        raise DataError(
            "there is nothing to train on; give data_files, such as --data_files='pairs/*.csv'"
        )
    return parts


def _parts(pattern: str, data_format: str, split: str) -> list[Part]:
    if _BESIDE in pattern and not os.path.exists(os.path.expanduser(pattern)):
        columns = [matching(one) for one in pattern.split(_BESIDE)]
        if len({len(column) for column in columns}) > 1:
            found = " and ".join(str(len(column)) for column in columns)
            raise DataError(f"{pattern} matches {found} files; expected as many of each")
        if data_format not in ("", "text"):
            raise DataError(f"{pattern}: only text files can be side by side, not {data_format}")
        return [Part(paths, "text", split) for paths in zip(*columns, strict=True)]
    parts = []
    for path in matching(pattern):
        if os.path.isdir(path):
            parts += _saved_dataset(path, split)
        else:
            parts.append(Part((path,), data_format or format_of(path), split))
    return parts


def format_of(path: str) -> str:
    """Returns the format that a file's name says; "text" if it says none.

    Raises:
      DataError: it says that the file is an archive or a spreadsheet.
    """
    suffix = suffix_of(path)
    if suffix in _NO_TABLES:
        raise DataError(f"{path} isn't a table that can be read; {_NO_TABLES[suffix]} first")
    return _FORMATS.get(suffix, "text")


def suffix_of(path: str) -> str:
    """Returns the ending of a file's name in lower case, without that of the packing."""
    name = Path(path)
    return (Path(name.stem) if name.suffix.lower() in PACKED else name).suffix.lower()


def _saved_dataset(folder: str, split: str) -> list[Part]:
    """Returns the parts of a folder that `datasets` saved: a data set, or several splits."""
    splits = Path(folder, "dataset_dict.json")
    if splits.exists():
        names = _json(splits).get("splits", [])
        return [
            part
            for name, own in _own_splits(names, folder, split)
            for part in _saved_dataset(os.path.join(folder, name), own)
        ]
    state = Path(folder, "state.json")
    if not state.exists():
        endings = {suffix_of(name) for name in os.listdir(folder)} & _FORMATS.keys()
        pattern = os.path.join(folder, f"*{min(endings, default='.csv')}")
        raise DataError(
            f"{folder} is a folder, and not one that Dataset.save_to_disk wrote; give the files in "
            f"it: {pattern}"
        )
    names = [str(entry["filename"]) for entry in _json(state).get("_data_files", [])]
    return [Part((os.path.join(folder, name),), "arrow", split) for name in names]


def _own_splits(names: Sequence[str], where: str, split: str) -> list[tuple[str, str]]:
    """Returns the splits of a data set with those that they are for."""
    if split != "train":
        raise DataError(
            f"{where} has splits of its own, {', '.join(names)}; give it as data_files alone, or "
            f"the folder of one split"
        )
    known = [(name, SPLITS[name]) for name in names if name in SPLITS]
    if others := [name for name in names if name not in SPLITS]:
        log.warning("%s: left out its splits %s", where, ", ".join(map(shown, others)))
    return known


def _json(path: Path) -> dict[str, Any]:
    try:
        values = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); save the data set again") from None
    if not isinstance(values, dict):
        raise DataError(f"{path} is damaged (no object); save the data set again")
    return values


def _from_hub(dataset: str) -> list[Part]:
    """Downloads a data set from the Hugging Face Hub; its files are in the cache of `datasets`."""
    if not libraries.is_installed("datasets"):
        raise DataError(
            f"hub_dataset={dataset!r} needs Hugging Face datasets; install it with: pip install "
            f"'t2tlite[datasets]'"
        )
    import datasets

    name, _, config = dataset.partition(":")
    try:
        loaded = datasets.load_dataset(name, config or None)
    # Of the network, of the Hub and of its own; all have a message for the user.
    except Exception as error:
        first = str(error).strip().partition("\n")[0]
        raise DataError(
            f"can't load the data set {dataset} ({type(error).__name__}: {first}); check the name, "
            f"OWNER/NAME or OWNER/NAME:CONFIG, and the network"
        ) from None
    return [
        Part((cached["filename"],), "arrow", own)
        for split, own in _own_splits(list(loaded), dataset, "train")
        for cached in loaded[split].cache_files
    ]


def states_of(parts: Sequence[Part]) -> dict[str, list[int]]:
    """Returns size, and modification time in ns, of each file.

    Raises:
      DataError: a file can't be read.
    """
    states = {}
    for path in (path for part in parts for path in part.paths):
        try:
            status = os.stat(path)
        except OSError as error:
            raise DataError(f"can't read {path}: {error.strerror}; check the path") from None
        states[path] = [status.st_size, status.st_mtime_ns]
    return states


def key_of(part: Part, table: Table, states: dict[str, list[int]], version: str) -> str:
    """Returns a text that changes with anything that the samples of a part depend on."""
    return json.dumps([repr(table), repr(part), [states[path] for path in part.paths], version])
