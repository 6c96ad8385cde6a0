"""What Python says of characters, for TensorFlow's string operations.

Classes of characters (white space, letters) are written out as the characters' numbers, since
TensorFlow's regular expressions know another version of Unicode.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf


@cache
def character_class(belongs: Callable[[str], Any]) -> str:
    """Returns the inside of a regular expression's [...] of the characters that `belongs` takes."""
    members = [number for number in range(sys.maxunicode + 1) if belongs(chr(number))]
    ranges: list[list[int]] = []
    for number in members:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges)


def is_blank(texts_B: Any) -> Any:
    """Whether each text is empty or white space, as Python's `not text.strip()`; bool [B]."""
    return tf.strings.regex_full_match(texts_B, f"[{character_class(str.isspace)}]*")


def well_formed(texts_B: Any) -> Any:
    """Returns the texts with U+FFFD in place of what isn't UTF-8, as Python's errors="replace"."""
    return tf.strings.unicode_transcode(texts_B, "UTF-8", "UTF-8", errors="replace")


def gather(strings: list[Any], ids: Any) -> Any:
    """Returns the ragged ids' strings."""
    return ids.with_flat_values(tf.gather(tf.constant(strings), ids.flat_values))
