"""Parallel corpora as T2T's lists name them: obtains their files and reads pairs of lines.

An entry of a list is an address and what to read there:

    ["http://host/corpus.tgz", ("train.en", "train.de")]     parallel files
    ["http://host/corpus.tar", ("tsv", 3, 2, "folder/*.gz")] two columns of tables
    ["http://host/corpus.tmx.gz", ("tmx", "corpus.tmx.gz")]  a translation memory

The address is a URL or a file. Files that exist in tmp_dir are neither downloaded nor unpacked.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from t2tlite.errors import DataError, DownloadError
from t2tlite.sources import download
from t2tlite.sources.cleaning import clean_en_xx_pairs
from t2tlite.sources.text_files import columns, parallel, txt_line_iterator

Pairs = Iterator[tuple[str, str]]

_TSV, _TMX = "tsv", "tmx"
# T2T's name for parallel files in `datatypes_to_clean`.
_TXT = "txt"

_REMOTE = re.compile(r"(?:https?|ftp|file)://")
_MARKUP_SUFFIXES = {".sgm", ".sgml", ".xml"}
_SEGMENT = re.compile(r"<seg\b[^>]*>(.*)</seg>")
# In T2T's order; ParaCrawl has some texts escaped twice.
_ENTITIES = [("&amp;", "&")] + [
    (f"& ?{name};", character)
    for name, character in [("amp", "&"), ("apos", "'"), ("quot", '"'), ("lt", "<"), ("gt", ">")]
]
# Approximate ratio of a text's size to that of its gzip file.
_GZIP_RATIO = 3


class Corpus:
    """One entry of a list, whose files are downloaded and unpacked if they are missing.

    Args:
      tmp_dir: where files are looked for, downloaded and unpacked.
      entry: address, and what to read there.

    Attributes:
      kind: "txt", "tsv" or "tmx".
      paths: the files; parallel ones in the order of the entry.

    Raises:
      DataError: a file is missing and the address doesn't provide it, or the entry has another
        form.
      DownloadError: the download failed, or it can't be unpacked.
      OutputError: tmp_dir can't be written to.
    """

    def __init__(self, tmp_dir: str | os.PathLike[str], entry: Any):
        try:
            address, names = entry
            self.kind = names[0] if names[0] in (_TSV, _TMX) else _TXT
            self._columns = (int(names[1]), int(names[2])) if self.kind == _TSV else (0, 1)
            files = list(names[{_TSV: 3, _TMX: 1, _TXT: 0}[self.kind] :])
            well_formed = all(isinstance(name, str) for name in [address, *files])
            if isinstance(names, str) or not well_formed or not files or not all(files):
                raise ValueError
        except (TypeError, ValueError, LookupError):
            raise DataError(
                f'found {entry!r} in a list of data files; expected ["ADDRESS", ("FILE", "FILE")] '
                f'or ["ADDRESS", ("tsv", COLUMN, COLUMN, "PATTERN")]'
            ) from None
        self.paths = _obtain(Path(tmp_dir).expanduser(), address, files)

    def pairs(self, datatypes_to_clean: Iterable[str] = ()) -> Pairs:
        """Yields the corpus's pairs of non-empty texts.

        Args:
          datatypes_to_clean: kinds whose pairs are cleaned; the first language must be English.

        Raises:
          DataError: a file doesn't have the format that its name says.
        """
        pairs: Pairs
        if self.kind == _TXT:
            if len(self.paths) != 2:
                raise DataError(f"found {len(self.paths)} files; expected 2 parallel ones")
            pairs = ((a, b) for a, b in parallel(map(_texts, self.paths), self.paths))
        elif self.kind == _TSV:
            pairs = (pair for path in self.paths for pair in columns(path, *self._columns))
        else:
            pairs = (pair for path in self.paths for pair in _tmx_pairs(path))
        if self.kind in datatypes_to_clean:
            pairs = clean_en_xx_pairs(pairs)
        return (pair for pair in pairs if all(pair))

    def sampled_lines(self, budget: float) -> Iterator[str]:
        """Yields lines, `budget` characters of each file, as T2T's generate_lines_for_vocab."""
        if self.kind == _TXT:
            for path in self.paths:
                yield from _sample(_texts(path), [path], budget)
        else:
            yield from _sample(itertools.chain.from_iterable(self.pairs()), self.paths, budget)


def _sample(lines: Iterable[str], paths: Sequence[Path], budget: float) -> Iterator[str]:
    """Takes every n-th line until the budget is spent; n is such that half of them spend it."""
    size = sum(path.stat().st_size * (_GZIP_RATIO if path.suffix == ".gz" else 1) for path in paths)
    skipped = int(size / budget / 2)
    for line in itertools.islice(lines, skipped, None, skipped + 1):
        if budget <= 0:
            return
        budget -= len(line)
        yield line


def _obtain(folder: Path, address: str, names: list[str]) -> list[Path]:
    """Returns the files of all names or patterns, downloaded and unpacked if they are missing."""

    def find_missing() -> str:
        return " and ".join(name for name in names if not _find(folder, name))

    if missing := find_missing():
        archive = _find_archive(folder, address, missing)
        # The downloaded file may be the one to read.
        if archive and find_missing():
            download.unpack(archive, folder)
        if missing := find_missing():
            if archive:
                raise DataError(
                    f"{archive} holds no {missing}; put {missing} into {folder}, or correct the "
                    f"name in source_data_files"
                )
            packed = f", nor {os.path.basename(address)} to unpack" if address else ""
            raise DataError(
                f"{folder} has no {missing}{packed}; put them there, or check --tmp_dir"
            )
    return [path for name in names for path in _find(folder, name)]


def _find(folder: Path, name: str) -> list[Path]:
    """Returns the file of a name, unpacked or packed by gzip, or the files of a pattern."""
    for path in [folder / name.removesuffix(".gz"), folder / name]:
        if path.is_file():
            return [path]
    if os.path.isabs(name):
        return []
    paths = {path for path in folder.glob(name) if path.is_file()}
    # T2T leaves the unpacked file beside the packed one.
    duplicates = {path for path in paths if path.suffix == ".gz" and path.with_suffix("") in paths}
    return sorted(paths - duplicates)


def _find_archive(folder: Path, address: str, missing: str) -> Path | None:
    """Returns the file that an address names, downloaded if it is a URL."""
    name = os.path.basename(address)
    if not name:
        return None
    if _REMOTE.match(address):
        try:
            return Path(download.maybe_download(folder, name, address))
        except DownloadError as error:
            raise DownloadError(f"{error} (or put {missing} into {folder})") from error
    return next((path for path in (folder / name, folder / address) if path.is_file()), None)


def _texts(path: Path) -> Iterator[str]:
    """Yields the lines of a text file; of an SGML or XML file, the contents of its <seg>."""
    lines = txt_line_iterator(path)
    if Path(path.name.removesuffix(".gz")).suffix not in _MARKUP_SUFFIXES:
        return lines
    return (match[1].strip() for match in map(_SEGMENT.match, lines) if match)


def _tmx_pairs(path: Path) -> Pairs:
    """Yields the pairs of a translation memory with one segment a line, such as ParaCrawl's."""
    segments = (match[1] for match in map(_SEGMENT.match, txt_line_iterator(path)) if match)
    for source in segments:
        target = next(segments, None)
        if target is None:
            raise DataError(f"{path} ends after the first half of a pair; get the whole file")
        yield _unescape(source), _unescape(target)


def _unescape(text: str) -> str:
    for entity, character in _ENTITIES:
        text = re.sub(entity, character, text)
    return text
