"""T2T's `.subwords` vocabularies as a TensorFlow graph; see `graph_encoders`.

The steps are those of `t2tlite.text.tokenizer` and `t2tlite.text.subwords`. T2T splits a
token greedily into the longest subtokens from the left, as a WordPiece tokenizer does whose pieces
have no prefix for "inside a word".

Shapes: B texts, M tokens of all texts.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import tensorflow as tf

from t2tlite.exporting.graph_strings import character_class, gather, lookup_table, require_known
from t2tlite.text import SubwordTextEncoder
from t2tlite.text.subwords import ESCAPE_CHARACTERS, UNDEFINED

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_ESCAPE = r"\\u|\\\\|\\[0-9]+;"
# regex_split drops what follows a NUL. None of these characters is a letter or digit, so that the
# runs stay the same.
_NUL_ESCAPES = (("\x1a", "\x1a."), ("\0", "\x1a,"))


class GraphSubwords(tf.Module):
    """The graph of `SubwordTextEncoder`."""

    def __init__(self, encoder: SubwordTextEncoder):
        super().__init__()
        import tensorflow_text

        self.text_ops = tensorflow_text
        self.subtokens = encoder.decode_list(range(encoder.vocab_size))
        # As in the encoder, the later id of a repeated subtoken counts.
        ids = {text: id_ for id_, text in enumerate(self.subtokens) if text}
        self.ids = lookup_table(ids, tf.int64)
        self.tokenizer = tensorflow_text.WordpieceTokenizer(
            self.ids,
            suffix_indicator="",
            max_bytes_per_word=2**30,
            max_chars_per_token=max(map(len, ids)),
            token_out_type=tf.int64,
            unknown_token="",
        )
        alphabet = ESCAPE_CHARACTERS.union(*ids)
        self.alphabet = lookup_table(dict.fromkeys(sorted(alphabet), 1), tf.int64)
        # Separates the parts of a text while it is unescaped: a character that no subtoken has.
        characters = map(chr, range(1, sys.maxunicode))
        self.separator = next(char for char in characters if char not in alphabet)
        self.word = f"[{character_class(_LETTER_OR_DIGIT.match)}]+"
        self.starts_word = f"(?s)[{character_class(str.isalnum)}].*"

    def encode(self, texts_B: Any) -> Any:
        """Returns the ids of texts, int32 ragged."""
        escaped_B = texts_B
        for character, escape in _NUL_ESCAPES:
            escaped_B = tf.strings.regex_replace(escaped_B, rf"\x{ord(character):02x}", escape)
        runs = self.text_ops.regex_split(escaped_B, self.word, self.word)
        # A single space between two words is no token.
        index = tf.ragged.range(runs.row_lengths())
        last = tf.repeat(runs.row_lengths() - 1, runs.row_lengths())
        inner = (index.flat_values > 0) & (index.flat_values < last)
        tokens = tf.ragged.boolean_mask(
            runs, runs.with_flat_values(~(inner & (runs.flat_values == " ")))
        )
        escaped = tf.ragged.map_flat_values(self._escape, tokens)
        ids = self.tokenizer.tokenize(escaped).merge_dims(1, 2)
        message = "the vocabulary file is incomplete: it lacks subtokens for"
        return tf.cast(require_known(ids, message, texts_B), tf.int32)

    def decode(self, ids: Any) -> Any:
        """Returns the texts of ragged ids, string [B]."""
        subtokens = gather(self.subtokens, ids)
        escaped = tf.strings.split(tf.strings.reduce_join(subtokens, axis=-1), "_")
        tokens = tf.ragged.map_flat_values(self._unescape, escaped)
        tokens = tf.ragged.boolean_mask(tokens, tokens.with_flat_values(tokens.flat_values != ""))
        is_word = tf.strings.regex_full_match(tokens.flat_values, self.starts_word)
        after_word = tf.concat([tf.zeros([1], tf.bool), is_word], 0)[:-1]
        first = tf.ragged.range(tokens.row_lengths()).flat_values == 0
        space = tf.where(is_word & after_word & ~first, " ", "")
        return tf.strings.reduce_join(
            tokens.with_flat_values(tf.strings.join([space, tokens.flat_values])), axis=-1
        )

    def _escape(self, tokens_M: Any) -> Any:
        for character, escape in reversed(_NUL_ESCAPES):
            tokens_M = tf.strings.regex_replace(tokens_M, re.escape(escape), character)
        tokens_M = tf.strings.regex_replace(tokens_M, r"\\", r"\\\\")
        tokens_M = tf.strings.regex_replace(tokens_M, "_", r"\\u")
        characters = tf.strings.unicode_split(tokens_M, "UTF-8")
        code_points = tf.strings.unicode_decode(tokens_M, "UTF-8").flat_values
        escapes = tf.strings.join(["\\", tf.strings.as_string(code_points), ";"])
        known = self.alphabet.lookup(characters.flat_values) > 0
        characters = characters.with_flat_values(tf.where(known, characters.flat_values, escapes))
        return tf.strings.join([tf.strings.reduce_join(characters, axis=-1), "_"])

    def _unescape(self, tokens_M: Any) -> Any:
        separated = rf"{self.separator}\1{self.separator}"
        separated_M = tf.strings.regex_replace(tokens_M, f"({_ESCAPE})", separated)
        parts = tf.strings.split(separated_M, self.separator)
        part = parts.flat_values
        plain = tf.where(part == r"\u", "_", tf.where(part == r"\\", "\\", part))
        is_number = tf.strings.regex_full_match(part, r"\\[0-9]+;")
        digits = tf.strings.regex_replace(part, r"^\\0*([0-9]+);$", r"\1")
        # Every code point has at most seven digits; a longer number could overflow.
        usable = is_number & (tf.strings.length(digits) <= 7)
        number = tf.strings.to_number(tf.where(usable, digits, "-1"), tf.int32)
        surrogate = (number >= 0xD800) & (number <= 0xDFFF)
        valid = (number >= 0) & (number <= sys.maxunicode) & ~surrogate
        number = tf.where(valid, number, ord(UNDEFINED))
        characters = tf.strings.unicode_encode(number[:, None], "UTF-8")
        return tf.strings.reduce_join(
            parts.with_flat_values(tf.where(is_number, characters, plain)), axis=-1
        )
