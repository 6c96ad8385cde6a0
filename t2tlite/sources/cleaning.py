"""T2T's cleaning of translation pairs whose first side is English: keeps what looks like prose."""

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
    | \s["“”'‘’,:;]\s                    # a mark that stands alone
    | ©|^Copyright|^\(C\)
    | \([^)]*$ | ^[^(]*\)                # a parenthesis that isn't opened or closed
    | ^[A-Z]{2,}(?:\s+[A-Z]+)*\s+-       # "LONDON - ..."
    | ^[A-Z]+[a-z]*_                     # the name of a variable
    """,
    re.VERBOSE,
)
_DOUBLE_QUOTES = '"“”'
# An apostrophe before s or t is none of a quotation.
_SINGLE_QUOTE = re.compile("['‘’][^st]")
_MAX_SINGLE_QUOTES = 2

# Where a sentence ends and the next begins. In English an initial or a number with a full stop
# ends none.
_ENGLISH_BREAK = re.compile(r"(?:(?<=\w[A-Z][.!?])|(?<=[0-9a-z][.!?])) (?=[A-Z])")
_OTHER_BREAK = re.compile(r"(?<=[^0-9][.!?]) (?=[A-Z])")


def clean_en_xx_pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yields pairs of single sentences, and leaves out those whose English looks like no prose.

    A pair of several sentences becomes as many pairs, or none if its sides differ in their number.

    Args:
      pairs: English and another language, which is only assumed to end its sentences with .!? and
        to begin them with a capital.
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
        # None, or a pair that isn't around the whole.
        and (quotes == 0 or (quotes == 2 and not {text[0], text[-1]} <= set(_DOUBLE_QUOTES)))
        and len(_SINGLE_QUOTE.findall(text)) <= _MAX_SINGLE_QUOTES
    )
