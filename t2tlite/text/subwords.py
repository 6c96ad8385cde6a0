"""T2T's subwords: how a word token is escaped, and split into subtokens of a vocabulary.

A word token (`tokenizer.py`) is escaped, ended by an underscore, and split greedily into the
longest subtokens of the vocabulary. Escapes replace underscores, and characters that are missing
in the vocabulary:

    \\\\      a backslash          \\u     an underscore
    \\9786; the character with this code point
"""

from __future__ import annotations

import re
from collections.abc import Container

ESCAPE_CHARACTERS = frozenset("\\_u;0123456789")
_ESCAPE = re.compile(r"\\u|\\\\|\\([0-9]+);")
# T2T's replacement for an escape without a character.
UNDEFINED = "\u3013"


def escape_token(token: str, alphabet: frozenset[str]) -> str:
    """Returns a word token, characters outside `alphabet` escaped, with an underscore at its end.

    Raises:
      UnicodeEncodeError: such a character is a lone surrogate.
    """
    token = token.replace("\\", "\\\\").replace("_", "\\u")
    if "\n" in token or not alphabet.issuperset(token):
        token.encode("utf-8")
        # A file has one subtoken per line, so that no subtoken has a newline.
        token = "".join(c if c in alphabet and c != "\n" else f"\\{ord(c)};" for c in token)
    return token + "_"


def unescape_token(escaped: str) -> str:
    """Returns the word token of an escaped one; the underscore at its end may be missing."""
    return _ESCAPE.sub(_character, escaped.removesuffix("_"))


def longest_subtokens(escaped: str, subtokens: Container[str], longest: int) -> list[str]:
    """Splits an escaped word token greedily into subtokens.

    Args:
      escaped: the token.
      subtokens: the subtokens of the vocabulary.
      longest: the length of the longest one in characters.

    Raises:
      KeyError: no subtoken begins with the next character, which is the error's argument.
    """
    split: list[str] = []
    start = 0
    while start < len(escaped):
        for end in range(min(len(escaped), start + longest), start, -1):
            if (subtoken := escaped[start:end]) in subtokens:
                break
        else:
            raise KeyError(escaped[start])
        split.append(subtoken)
        start = end
    return split


def _character(escape: re.Match[str]) -> str:
    number = escape.group(1)
    if number is None:
        return "_" if escape.group() == "\\u" else "\\"
    try:
        character = chr(int(number))
        # T2T would return a lone surrogate here, which can't be written as UTF-8.
        character.encode("utf-8")
    except (ValueError, OverflowError):
        return UNDEFINED
    return character
