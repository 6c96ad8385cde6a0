"""The samples of a table in a working folder, from which the data are generated.

Each part of a table is read once, in a process of its own: its rows are cleaned, divided into
splits and written as JSON, a line for each block of samples. A part that was written completely is
kept if a run is stopped, and used again if nothing that it depends on has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from t2tlite import console
from t2tlite.data.manifest import from_json
from t2tlite.data.workers import Workers
from t2tlite.files import atomic, cannot_write, read_json
from t2tlite.tables import filters, readers
from t2tlite.tables.cells import Row
from t2tlite.tables.duplicates import Seen
from t2tlite.tables.parts import Part, key_of
from t2tlite.tables.splits import Shares
from t2tlite.tables.table import COLUMNS, Dropped, Table, columns_of
from t2tlite.version import __version__

# Samples in a line of a stored file.
_BLOCK = 1024
# Hashes that are compared with the earlier ones together.
_HASHES = 2**17
# Parts of which all together have fewer bytes are read in this process.
_SMALL_BYTES = 2**24

Advance = Callable[[int, int], None]


@dataclass
class Stored:
    """What was stored of a part, or of all parts.

    Attributes:
      rows: that were read.
      counts: samples by split.
      dropped: rows that were left out, by reason.
      labels: those that occurred.
      lowest: the lowest hash of an input for training.
      sha256: of the samples.
      key: what they depend on; see `parts.key_of`.
    """

    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, Dropped] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    lowest: int = 2**64
    sha256: str = ""
    key: str = ""


@dataclass(frozen=True)
class PartJob:
    """A part to be stored.

    Attributes:
      table, part: what is read.
      shares: of the splits.
      folder: gets the files.
      number: of the part.
      key: see `Stored`.
    """

    table: Table
    part: Part
    shares: Shares
    folder: str
    number: int
    key: str


def store_files(
    table: Table, parts: Sequence[Part], states: dict[str, list[int]], folder: Path, workers: int
) -> list[Stored]:
    """Stores the samples of all parts in a folder; parts that are there already are kept.

    Args:
      table: the arguments.
      parts: as `parts.find` returns them.
      states: as `parts.states_of` returns them.
      folder: the working folder.
      workers: number of processes.

    Raises:
      DataError: a part can't be read.
      OutputError: the folder can't be written to.
    """
    shares = Shares.of(*table.shares(any(part.split == "eval" for part in parts)))
    jobs = [
        PartJob(
            *(table, part, shares, os.fspath(folder), number),
            key_of(part, table, states, __version__),
        )
        for number, part in enumerate(parts)
    ]
    total = sum(size for size, _ in states.values())
    with console.meter("reading the files", "rows") as advance:
        if len(jobs) == 1 or workers == 1 or total < _SMALL_BYTES:
            return [store_part(job, advance) for job in jobs]
        stored = []
        with Workers(workers) as pool:
            for one in pool.map(store_part, jobs, at_once=True):
                advance(one.rows)
                stored.append(one)
        return stored


def store_part(job: PartJob, advance: Advance = lambda rows, characters: None) -> Stored:
    """Stores the samples of one part, unless they are there."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        earlier: Stored = from_json(Stored, read_json(_result_path(job.folder, job.number)))
        if earlier.key == job.key:
            return earlier
    columns = columns_of(job.table, job.part.is_named)
    rows = readers.read(job.part, list(columns.values()), job.table.csv_delimiter)
    unit = "row" if job.part.data_format in ("parquet", "arrow") else "line"
    made = filters.Samples(job.table, columns, job.part.split, job.shares, job.part.name, unit)
    stored = _write(made, rows, Path(job.folder), job.number, advance)
    readers.warn_if_empty(job.part, stored.rows)
    stored.key = job.key
    _write_result(job.folder, job.number, stored)
    return stored


def _write_result(folder: str | Path, number: int, stored: Stored) -> None:
    with atomic(_result_path(folder, number), "w") as file:
        json.dump(asdict(stored), file)


def _result_path(folder: str | Path, number: int) -> Path:
    return Path(folder, f"{number:05d}.json")


def is_begun(folder: Path) -> bool:
    """Whether there are parts in a folder that needn't be read again."""
    return any(folder.glob("[0-9]*.json"))


def store_rows(
    table: Table, rows: Iterable[Row], columns: Mapping[str, str], folder: Path
) -> Stored:
    """Stores samples of rows that were given in Python, as one part.

    Raises:
      DataError: a row can't be used.
    """
    made = filters.Samples(table, columns, "train", Shares.of(*table.shares(False)), "rows", "row")
    with console.meter("reading the rows", "rows") as advance:
        return _write(made, rows, folder, 0, advance)


def _write(
    made: filters.Samples, rows: Iterable[Row], folder: Path, number: int, advance: Advance
) -> Stored:
    """Writes the samples of rows by split, and the hashes of the samples if they are needed."""
    blocks: defaultdict[str, list[list[str]]] = defaultdict(list)
    # Of another run; the result first, without which the others don't count.
    for path in [_result_path(folder, number), *folder.glob(f"{number:05d}.*")]:
        path.unlink(missing_ok=True)
    try:
        with _Writer(folder, number, made.table.drop_duplicates) as writer:
            for split, texts in made.of(rows):
                blocks[split].append(list(texts.values()))
                if len(blocks[split]) == _BLOCK:
                    advance(_BLOCK, writer.write(split, blocks.pop(split)))
            for split in sorted(blocks):
                advance(len(blocks[split]), writer.write(split, blocks[split]))
    except OSError as error:
        raise cannot_write(folder, error) from error
    return Stored(
        rows=made.rows,
        counts=writer.counts,
        dropped=made.dropped,
        labels=sorted(made.labels),
        lowest=made.lowest,
        sha256=writer.digest.hexdigest(),
    )


class _Writer(contextlib.ExitStack):
    """Writes the files of a part.

    Args:
      folder: gets the files.
      number: of the part.
      hashes: whether the hashes of the samples are written, too.

    Attributes:
      counts: samples by split.
      digest: of all samples.
    """

    def __init__(self, folder: Path, number: int, hashes: bool):
        super().__init__()
        self.counts: dict[str, int] = {}
        self.digest = hashlib.sha256()
        self._folder, self._number, self._hashes = folder, number, hashes
        self._files: dict[Path, IO[bytes]] = {}

    def write(self, split: str, block: list[list[str]]) -> int:
        """Writes a block of samples, and returns its size in bytes."""
        line = json.dumps(block, ensure_ascii=False).encode() + b"\n"
        self.digest.update(split.encode() + line)
        self.counts[split] = self.counts.get(split, 0) + len(block)
        self._file(samples_path(self._folder, self._number, split)).write(line)
        if self._hashes:
            texts = ("\0".join(texts).encode() for texts in block)
            digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in texts)
            self._file(_hashes_path(self._folder, self._number, split)).write(digests)
        return len(line)

    def _file(self, path: Path) -> IO[bytes]:
        if path not in self._files:
            self._files[path] = self.enter_context(path.open("wb"))
        return self._files[path]


def samples_path(folder: str | Path, number: int, split: str) -> Path:
    """Returns the path of the stored samples of a part and split."""
    return Path(folder, f"{number:05d}.{split}.jsonl")


def _hashes_path(folder: str | Path, number: int, split: str) -> Path:
    return Path(folder, f"{number:05d}.{split}.hashes")


def _kept_path(folder: str | Path, number: int, split: str) -> Path:
    return Path(folder, f"{number:05d}.{split}.kept")


def hold_out(table: Table, folder: Path, stored: Sequence[Stored]) -> None:
    """Moves one input, that with the lowest hash, from the training samples to the evaluation's.

    Few inputs may have no hash that is below the share for evaluation.
    """
    shares = Shares(dev=min(one.lowest for one in stored) + 1)
    features = COLUMNS[table.problem]
    draft = folder / "held-out"
    for number, one in enumerate(stored):
        rows = samples_of(folder, number, "train", features)
        cells = (Row(place, list(texts.values())) for place, texts in enumerate(rows, 1))
        made = filters.Samples(table, dict.fromkeys(features, ""), "train", shares, "", "row")
        draft.mkdir(exist_ok=True)
        counts = _write(made, cells, draft, number, lambda rows, characters: None).counts
        # After a kill in between, the part is read again.
        _result_path(folder, number).unlink(missing_ok=True)
        for path in draft.iterdir():
            os.replace(path, folder / path.name)
        if "train" not in counts:
            samples_path(folder, number, "train").unlink(missing_ok=True)
        others = {split: count for split, count in one.counts.items() if split == "test"}
        one.counts = {**others, **counts}
        _write_result(folder, number, one)
    shutil.rmtree(draft, ignore_errors=True)


def drop_duplicates(folder: Path, stored: Sequence[Stored]) -> dict[str, int]:
    """Marks the samples that occurred before in their split; returns the numbers that stay.

    It reads the hashes of all parts in order, in 8 to 16 bytes of memory for a sample.
    """
    kept: dict[str, int] = {}
    for split in sorted({split for one in stored for split in one.counts}):
        seen = Seen()
        for number, one in enumerate(stored):
            if split not in one.counts:
                continue
            with (
                open(_hashes_path(folder, number, split), "rb") as hashes,
                open(_kept_path(folder, number, split), "wb") as file,
            ):
                while len(some := np.fromfile(hashes, np.uint64, _HASHES)):
                    is_new = seen.add(some)
                    kept[split] = kept.get(split, 0) + int(is_new.sum())
                    file.write(is_new.tobytes())
    return kept


def samples_of(
    folder: str | Path, number: int, split: str, features: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yields the stored samples of a part and split, without duplicates if they were marked."""
    path, kept_path = samples_path(folder, number, split), _kept_path(folder, number, split)
    if not path.exists():
        return
    kept = np.memmap(kept_path, bool, "r") if kept_path.exists() else None
    start = 0
    with open(path, "rb") as file:
        for line in file:
            block = json.loads(line)
            keeps = kept[start : start + len(block)].tolist() if kept is not None else None
            start += len(block)
            for position, texts in enumerate(block):
                if keeps is None or keeps[position]:
                    yield dict(zip(features, texts, strict=True))
