"""T2T's cleaning of translation pairs with English as the first language: keeps prose only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# A capital at the start and a full stop at the end, each with or without a quotation mark.
_SENTENCE = re.compile(r'["“”]?(?=[A-Z]).*\w[.?!]["”]?')
_NOISE = re.compile(
    r"""
      ^\w+\.?(?:\ \w+)?:\                # "Note: ...", "Art. 5: ..."
    | \d\ +\d                            # the cells of a table
    | ["“”'‘’]\s*["“”'‘’]                # quotation marks around nothing
    | \s["“”'‘’,:;]\s                    # a mark between spaces
    | ©|^Copyright|^\(C\)
    | \([^)]*$ | ^[^(]*\)                # a parenthesis that isn't opened or closed
    | ^[A-Z]{2,}(?:\s+[A-Z]+)*\s+-       # "LONDON - ..."
    | ^[A-Z]+[a-z]*_                     # the name of a variable
    """,
    re.VERBOSE,
)
_DOUBLE_QUOTES = '"“”'
# An apostrophe before s or t isn't a quotation mark.
_SINGLE_QUOTE = re.compile("['‘’][^st]")
_MAX_SINGLE_QUOTES = 2

# Between two sentences. In English, an initial or a number with a full stop doesn't end one.
_ENGLISH_BREAK = re.compile(r"(?:(?<=\w[A-Z][.!?])|(?<=[0-9a-z][.!?])) (?=[A-Z])")
_OTHER_BREAK = re.compile(r"(?<=[^0-9][.!?]) (?=[A-Z])")


def clean_en_xx_pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yields pairs of single sentences, without those whose English doesn't look like prose.

    A pair of several sentences is split into single ones, or left out if its sides have different
    numbers of sentences.

    Args:
      pairs: English and another language, whose sentences are assumed to end with .!? and to begin
        with a capital.
    """
    for english, other in pairs:
        if not _is_prose(english):
            continue
        sentences, others = _ENGLISH_BREAK.split(english), _OTHER_BREAK.split(other)
        if len(sentences) == len(others):
            yield from (pair for pair in zip(sentences, others, strict=True) if _is_prose(pair[0]))


def _is_prose(text: str) -> bool:
    quotes = sum(map(text.count, _DOUBLE_QUOTES))
    return (
        _SENTENCE.fullmatch(text) is not None
        and _NOISE.search(text) is None
        # No double quotes, or a pair that doesn't enclose the whole sentence.
        and (quotes == 0 or (quotes == 2 and not {text[0], text[-1]} <= set(_DOUBLE_QUOTES)))
        and len(_SINGLE_QUOTE.findall(text)) <= _MAX_SINGLE_QUOTES
    )
