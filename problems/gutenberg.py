"""Seven anthologies of English verse from Project Gutenberg: download, verification, verse.

A download must be complete UTF-8 with Project Gutenberg's start and end marks. Project Gutenberg
corrects its files now and then and publishes no checksums, so the first download is trusted: its
checksum is recorded in `gutenberg.sha256` beside it, in the format of `sha256sum -c`, and verified
on each later use. To require certain content, create that file beforehand; to accept other content,
delete it.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from t2tlite import download
from t2tlite.errors import DataError, DownloadError, OutputError

from . import text_files

log = logging.getLogger(__name__)

BOOKS = {
    26715: "Victorian Songs",
    30235: "Six Centuries of English Poetry",
    35402: "Poems and Ballads (First Series)",
    574: "Poems of William Blake",
    1304: "The Oxford Book of English Verse",
    19221: "The Golden Treasury",
    15553: "The Golden Treasury of American Songs and Lyrics",
}
CHECKSUMS = "gutenberg.sha256"
_URI = "https://www.gutenberg.org/cache/epub/{number}/{name}"
_CACHED = re.compile(r"pg\d+\.txt")

_START = re.compile(r"^\*\*\* ?START OF TH(?:E|IS) PROJECT GUTENBERG EBOOK.*$", re.MULTILINE)
_END = re.compile(r"^\*\*\* ?END OF TH(?:E|IS) PROJECT GUTENBERG EBOOK", re.MULTILINE)

# A paragraph of these books is 65 to 75 characters wide; few lines of verse are longer than this.
MAX_VERSE_CHARACTERS = 60
# Lines of verse begin with a capital letter; in prose one in five does.
_MIN_CAPITALS = 0.6
# Lines of verse often end with punctuation; those of a table of contents don't.
_MIN_MARKED = 0.2
_MARKED = re.compile(r"[^\w\s]$")
# Italics, bold and references to notes: _so_, =so=, {16}, [23:A], [1].
_MARKUP = re.compile(r"[_=]|\{\d+\}|\[\d+(?::\w)?\]")
# Line numbers in the right margin.
_MARGIN = re.compile(r"\s{2,}\d+$")
# Digits occur in headings, tables and notes; brackets in glosses, directions and pictures.
_NOT_VERSE = re.compile(r"[\d\[\]{}|*]")


def is_cached_book(path: Path) -> bool:
    """Returns whether a file has the name of a downloaded book."""
    return _CACHED.fullmatch(path.name) is not None


def book(tmp_dir: str | Path, number: int) -> str:
    """Returns the text of a book without Project Gutenberg's header and footer.

    Args:
      tmp_dir: the folder of pgNUMBER.txt, which is downloaded if it is missing.
      number: Project Gutenberg's number of the book.

    Raises:
      DownloadError: the download failed, or the checksum isn't the recorded one.
      DataError: the file isn't UTF-8, or has no start or end mark.
      OutputError: the checksum can't be recorded.
    """
    name = f"pg{number}.txt"
    checksums = Path(tmp_dir).expanduser() / CHECKSUMS
    known = _read_checksums(checksums)
    uri = _URI.format(number=number, name=name)
    try:
        path = Path(download.maybe_download(tmp_dir, name, uri, sha256=known.get(name)))
    except DownloadError as error:
        advice = (
            f"to accept a text other than the first download, delete its line in {checksums}"
            if name in known
            else f"this problem needs {', '.join(f'pg{one}.txt' for one in BOOKS)} in {tmp_dir}, "
            f"or verse of your own: *.txt, blank lines between poems"
        )
        raise DownloadError(f"{error} ({advice})") from error
    text = _body(path)
    if name not in known:
        _record(hashlib.sha256(Path(path).read_bytes()).hexdigest(), name, checksums)
    return text


def _read_checksums(path: Path) -> dict[str, str]:
    """Returns checksums by file name."""
    if not path.exists():
        return {}
    known = {}
    for line in text_files.read(path).splitlines():
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](\S+)", line)
        if match is None:
            raise DataError(
                f"{path}: found {line!r}; expected lines of sha256sum: correct or delete the file"
            )
        known[match[2]] = match[1]
    return known


def _record(checksum: str, name: str, path: Path) -> None:
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{checksum}  {name}\n")
    except OSError as error:
        raise OutputError(
            f"can't write {path}: {error.strerror}; choose a --tmp_dir that you may write to"
        ) from error
    log.info("%s: recorded its sha256 %s in %s", name, checksum, path)


def _body(path: Path) -> str:
    text = text_files.read(path)
    start = _START.search(text)
    end = _END.search(text, start.end()) if start else None
    if start is None or end is None:
        missing = "*** END OF" if start else "*** START OF"
        raise DataError(
            f"{path} has no line '{missing} THE PROJECT GUTENBERG EBOOK', so it isn't the whole "
            f"book; delete it and run the command again"
        )
    return text[start.end() : end.start()]


def poems(text: str) -> Iterator[list[list[str]]]:
    """Yields the poems of a book as lists of stanzas, which are lists of lines.

    Two or more blank lines separate poems, one separates stanzas. A stanza is a block of two or
    more lines of at most 60 characters, most of which begin with a capital letter and some of which
    end with punctuation, without digits and brackets; all other blocks are prose, headings, tables
    or notes. Case and punctuation stay; indentation, italics, references to notes and line numbers
    are removed.
    """
    for part in re.split(r"\n(?:[ \t]*\n){2,}", text):
        stanzas = [_stanza(block.split("\n")) for block in re.split(r"\n[ \t]*\n", part)]
        if verse := [stanza for stanza in stanzas if stanza]:
            yield verse


def _stanza(block: list[str]) -> list[str]:
    """Returns the lines of a block of verse; [] if the block isn't verse."""
    lines = [" ".join(_MARKUP.sub("", _MARGIN.sub("", line)).split()) for line in block]
    # A line without a small letter is a heading.
    lines = [line for line in lines if _first_letter(line) and not line.isupper()]
    capitals = sum(_first_letter(line).isupper() for line in lines)
    marked = sum(_MARKED.search(line) is not None for line in lines)
    if (
        len(lines) < 2
        or max(map(len, lines)) > MAX_VERSE_CHARACTERS
        or capitals < _MIN_CAPITALS * len(lines)
        or marked < _MIN_MARKED * len(lines)
        or any(map(_NOT_VERSE.search, lines))
    ):
        return []
    return lines


def _first_letter(line: str) -> str:
    return next(filter(str.isalpha, line), "")
