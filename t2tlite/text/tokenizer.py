"""Tensor2Tensor's word tokenizer: runs of letters and digits, and runs of everything else.

A single space between two words is left out, since two consecutive words imply it:
`"Dude - that's so cool."` becomes `Dude`, ` - `, `that`, `'`, `s`, `so`, `cool`, `.`.
Letters and digits are Unicode's categories L and N, in the version that Python knows, as in T2T.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Python's \w is exactly the categories L and N, and the underscore.
_RUNS = re.compile(r"[^\W_]+|[\W_]+")


def encode(text: str) -> list[str]:
    """Returns the word tokens of `text`, which `decode` joins to the same text."""
    tokens: list[str] = _RUNS.findall(text)
    if " " not in tokens:
        return tokens
    last = len(tokens) - 1
    return [token for i, token in enumerate(tokens) if token != " " or i == 0 or i == last]


def decode(tokens: Iterable[str]) -> str:
    """Returns the text of word tokens, with a space between two that both begin with a letter."""
    pieces: list[str] = []
    after_word = False
    for token in tokens:
        is_word = token[0].isalnum()
        if after_word and is_word:
            pieces.append(" ")
        pieces.append(token)
        after_word = is_word
    return "".join(pieces)
