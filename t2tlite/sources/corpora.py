"""Parallel corpora as T2T's lists name them: where their files come from, and their pairs of lines.

An entry of a list is an address and what to read there:

    ["http://host/corpus.tgz", ("train.en", "train.de")]     parallel files
    ["http://host/corpus.tar", ("tsv", 3, 2, "folder/*.gz")] two columns of tables
    ["http://host/corpus.tmx.gz", ("tmx", "corpus.tmx.gz")]  a translation memory

The address is one to download from, or a file; files are looked for in tmp_dir. What is read there
already is neither downloaded nor unpacked.
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
# T2T's name of parallel files in `datatypes_to_clean`.
_TXT = "txt"

_REMOTE = re.compile(r"(?:https?|ftp|file)://")
_MARKUP_SUFFIXES = {".sgm", ".sgml", ".xml"}
_SEGMENT = re.compile(r"<seg\b[^>]*>(.*)</seg>")
# In the order in which T2T undoes them; ParaCrawl has some of them twice.
_ENTITIES = [("&amp;", "&")] + [
    (f"& ?{name};", character)
    for name, character in [("amp", "&"), ("apos", "'"), ("quot", '"'), ("lt", "<"), ("gt", ">")]
]
# Text that gzip packed is about so many times as long.
_GZIP_RATIO = 3


class Corpus:
    """One entry of a list, with its files in place.

    Args:
      tmp_dir: where files are, and are downloaded and unpacked to.
      entry: address, and what to read there.

    Attributes:
      kind: "txt", "tsv" or "tmx".
      paths: the files; of parallel ones in the order of the entry.

    Raises:
      DataError: a file isn't there and nothing brings it, or the entry is none.
      DownloadError: the download failed, or it can't be unpacked.
      OutputError: tmp_dir can't be written to.
    """

    def __init__(self, tmp_dir: str | os.PathLike[str], entry: Any):
        try:
            address, names = entry
            self.kind = names[0] if names[0] in (_TSV, _TMX) else _TXT
            self._columns = (int(names[1]), int(names[2])) if self.kind == _TSV else (0, 1)
            files = list(names[{_TSV: 3, _TMX: 1, _TXT: 0}[self.kind] :])
            well_formed = all(isinstance(one, str) for one in [address, *files])
            if isinstance(names, str) or not well_formed or not files or not all(files):
                raise ValueError
        except (TypeError, ValueError, LookupError):
            raise DataError(
                f'found {entry!r} in a list of data files; expected ["ADDRESS", ("FILE", "FILE")] '
                f'or ["ADDRESS", ("tsv", COLUMN, COLUMN, "PATTERN")]'
            ) from None
        found = _obtain(Path(tmp_dir).expanduser(), address, files)
        self.paths = list(itertools.chain(*found))

    def pairs(self, datatypes_to_clean: Iterable[str] = ()) -> Pairs:
        """Yields its pairs, without those of which a side is empty.

        Args:
          datatypes_to_clean: the kinds of which only clean sentences are wanted; the first
            side must be English.

        Raises:
          DataError: a file isn't what its name says.
        """
        if self.kind == _TXT:
            if len(self.paths) != 2:
                raise DataError(f"found {len(self.paths)} files; expected 2 parallel ones")
            texts = [_texts(path) for path in self.paths]
            found: Pairs = ((a, b) for a, b in parallel(texts, self.paths))
        elif self.kind == _TSV:
            found = itertools.chain.from_iterable(
                columns(path, *self._columns) for path in self.paths
            )
        else:
            found = itertools.chain.from_iterable(map(_translations, self.paths))
        if self.kind in datatypes_to_clean:
            found = clean_en_xx_pairs(found)
        return (pair for pair in found if all(pair))

    def sampled_lines(self, budget: float) -> Iterator[str]:
        """Yields lines from all over it, as T2T's generate_lines_for_vocab.

        Args:
          budget: characters to take of each file.
        """
        if self.kind == _TXT:
            for path in self.paths:
                yield from _sampled(_texts(path), [path], budget)
        else:
            yield from _sampled(itertools.chain.from_iterable(self.pairs()), self.paths, budget)


def _sampled(lines: Iterable[str], paths: Sequence[Path], budget: float) -> Iterator[str]:
    """Takes every n-th line, such that they would be twice the budget, until it is spent."""
    size = sum(path.stat().st_size * _ratio(path) for path in paths)
    skipped = int(size / budget / 2)
    for line in itertools.islice(lines, skipped, None, skipped + 1):
        if budget <= 0:
            return
        budget -= len(line)
        yield line


def _ratio(path: Path) -> int:
    return _GZIP_RATIO if path.suffix == ".gz" else 1


def _obtain(folder: Path, address: str, names: list[str]) -> list[list[Path]]:
    """The files of each name or pattern, downloaded and unpacked where need be."""
    if missing := _missing(folder, names):
        archive = _archive(folder, address, missing)
        # What was downloaded may be the file itself.
        if archive and _missing(folder, names):
            download.unpack(archive, folder)
        if missing := _missing(folder, names):
            wanted = " and ".join(missing)
            if archive:
                raise DataError(
                    f"{archive} holds no {wanted}; put {wanted} into {folder}, or correct the name "
                    f"in source_data_files"
                )
            packed = f", nor {os.path.basename(address)} to unpack" if address else ""
            raise DataError(f"{folder} has no {wanted}{packed}; put them there, or check --tmp_dir")
    return [_matching(folder, name) for name in names]


def _missing(folder: Path, names: list[str]) -> list[str]:
    return [name for name in names if not _matching(folder, name)]


def _matching(folder: Path, name: str) -> list[Path]:
    """The file of a name, packed by gzip or not, or the files of a pattern."""
    for place in [folder / name.removesuffix(".gz"), folder / name]:
        if place.is_file():
            return [place]
    if os.path.isabs(name):
        return []
    found = {path for path in folder.glob(name) if path.is_file()}
    # T2T leaves the unpacked file beside the packed one.
    twice = {path for path in found if path.suffix == ".gz" and path.with_suffix("") in found}
    return sorted(found - twice)


def _archive(folder: Path, address: str, wanted: list[str]) -> Path | None:
    """The file that an address names, downloaded if it's an URL."""
    name = os.path.basename(address)
    if not name:
        return None
    if _REMOTE.match(address):
        try:
            return Path(download.maybe_download(folder, name, address))
        except DownloadError as error:
            raise DownloadError(f"{error} (or put {' and '.join(wanted)} into {folder})") from error
    places = (place for place in (folder / name, folder / address) if place.is_file())
    return next(places, None)


def _texts(path: Path) -> Iterator[str]:
    """The lines of a text file; of an SGML or XML file what is between <seg> and </seg>."""
    lines = txt_line_iterator(path)
    if Path(path.name.removesuffix(".gz")).suffix not in _MARKUP_SUFFIXES:
        return lines
    return (found[1].strip() for found in map(_SEGMENT.match, lines) if found)


def _translations(path: Path) -> Pairs:
    """The pairs of a translation memory with a segment on a line, as ParaCrawl's."""
    segments = (found[1] for found in map(_SEGMENT.match, txt_line_iterator(path)) if found)
    for source in segments:
        target = next(segments, None)
        if target is None:
            raise DataError(f"{path} ends after the first half of a pair; get the whole file")
        yield _plain(source), _plain(target)


def _plain(text: str) -> str:
    for entity, character in _ENTITIES:
        text = re.sub(entity, character, text)
    return text
