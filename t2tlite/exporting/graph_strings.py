"""Python's rules for characters and vocabularies as TensorFlow string operations.

TensorFlow's regular expressions follow another version of Unicode than Python. So a class of
characters, such as white space or letters, is written out as their code points.

Shapes: B texts; ragged ids are int [B, (ids of a text)].
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf


@cache
def character_class(belongs: Callable[[str], Any]) -> str:
    """Returns the inside of a regular expression's [...] for the characters that `belongs` to."""
    ranges: list[list[int]] = []
    for code_point in range(sys.maxunicode + 1):
        if not belongs(chr(code_point)):
            continue
        if ranges and ranges[-1][1] == code_point - 1:
            ranges[-1][1] = code_point
        else:
            ranges.append([code_point, code_point])
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges)


def is_blank(texts_B: Any) -> Any:
    """Returns whether each text is empty or white space: Python's `not text.strip()`, bool [B]."""
    return tf.strings.regex_full_match(texts_B, f"[{character_class(str.isspace)}]*")


def well_formed(texts_B: Any) -> Any:
    """Replaces bytes that aren't UTF-8 by U+FFFD, as Python does with errors="replace"."""
    return tf.strings.unicode_transcode(texts_B, "UTF-8", "UTF-8", errors="replace")


def gather(strings: list[Any], ids: Any) -> Any:
    """Returns the string of each id, ragged like the ids."""
    return ids.with_flat_values(tf.gather(tf.constant(strings), ids.flat_values))


def lookup_table(values: dict[str, int], dtype: Any, default: int = -1) -> Any:
    """Returns a table from string to number; `default` for any other string."""
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(list(values), list(values.values()), tf.string, dtype),
        default,
    )


def require_known(ids: Any, message: str, strings: Any) -> Any:
    """Returns the ragged ids; the graph fails with `message` and `strings` if one is < 0."""
    known = tf.debugging.Assert(tf.reduce_all(ids.flat_values >= 0), [message, strings])
    with tf.control_dependencies([known]):
        return ids.with_flat_values(tf.identity(ids.flat_values))
