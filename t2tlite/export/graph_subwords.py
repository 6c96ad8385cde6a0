"""T2T's `.subwords` vocabularies as a TensorFlow graph, see `graph_text.py`.

Its steps are those of `t2tlite.text.tokenizer` and `t2tlite.text.subword_encoder`. Cutting a word
into the longest subtokens from the left is what a WordPiece tokenizer does whose pieces have no
mark for "inside a word".
"""

from __future__ import annotations

import re
import sys
from typing import Any

import tensorflow as tf

from t2tlite.export.graph_strings import character_class, gather
from t2tlite.text import SubwordTextEncoder
from t2tlite.text.subword_encoder import ESCAPE_CHARACTERS, UNDEFINED

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_ESCAPE = r"\\u|\\\\|\\[0-9]+;"


class GraphSubwords(tf.Module):
    """`SubwordTextEncoder`."""

    def __init__(self, encoder: SubwordTextEncoder):
        super().__init__()
        import tensorflow_text

        self.text_ops = tensorflow_text
        self.subtokens = encoder.decode_list(range(encoder.vocab_size))
        # Of a subtoken that appears twice the later id counts.
        ids = {text: id_ for id_, text in enumerate(self.subtokens) if text}
        self.ids = _table(ids, tf.int64)
        self.pieces = tensorflow_text.WordpieceTokenizer(
            self.ids,
            suffix_indicator="",
            max_bytes_per_word=2**30,
            max_chars_per_token=max(map(len, ids)),
            token_out_type=tf.int64,
            unknown_token="",
        )
        alphabet = ESCAPE_CHARACTERS.union(*ids)
        self.alphabet = _table(dict.fromkeys(sorted(alphabet), 1), tf.int64)
        # Stands between the parts of a text while it is taken apart: no subtoken has it.
        candidates = map(chr, range(1, sys.maxunicode))
        self.mark = next(one for one in candidates if one not in alphabet)
        self.word = f"[{character_class(_LETTER_OR_DIGIT.match)}]+"
        self.starts_word = f"(?s)[{character_class(str.isalnum)}].*"

    def encode(self, texts_B: Any) -> Any:
        """Returns the ids of the texts, int32, ragged."""
        runs = self.text_ops.regex_split(texts_B, self.word, self.word)
        # A space between two words goes without saying.
        place = tf.ragged.range(runs.row_lengths())
        last = tf.repeat(runs.row_lengths() - 1, runs.row_lengths())
        inner = (place.flat_values > 0) & (place.flat_values < last)
        tokens = tf.ragged.boolean_mask(
            runs, runs.with_flat_values(~(inner & (runs.flat_values == " ")))
        )
        escaped = tf.ragged.map_flat_values(self._escaped, tokens)
        ids = self.pieces.tokenize(escaped).merge_dims(1, 2)
        lacking = tf.debugging.Assert(
            tf.reduce_all(ids.flat_values >= 0),
            ["the vocabulary file is incomplete: it lacks subtokens for", texts_B],
        )
        with tf.control_dependencies([lacking]):
            return ids.with_flat_values(tf.cast(ids.flat_values, tf.int32))

    def decode(self, ids: Any) -> Any:
        """Returns the texts of ragged ids, string [B]."""
        subtokens = gather(self.subtokens, ids)
        escaped = tf.strings.split(tf.strings.reduce_join(subtokens, axis=-1), "_")
        tokens = tf.ragged.map_flat_values(self._unescaped, escaped)
        tokens = tf.ragged.boolean_mask(tokens, tokens.with_flat_values(tokens.flat_values != ""))
        is_word = tf.strings.regex_full_match(tokens.flat_values, self.starts_word)
        after_word = tf.concat([tf.zeros([1], tf.bool), is_word], 0)[:-1]
        first = tf.ragged.range(tokens.row_lengths()).flat_values == 0
        space = tf.where(is_word & after_word & ~first, " ", "")
        return tf.strings.reduce_join(
            tokens.with_flat_values(tf.strings.join([space, tokens.flat_values])), axis=-1
        )

    def _escaped(self, tokens_M: Any) -> Any:
        tokens_M = tf.strings.regex_replace(tokens_M, r"\\", r"\\\\")
        tokens_M = tf.strings.regex_replace(tokens_M, "_", r"\\u")
        characters = tf.strings.unicode_split(tokens_M, "UTF-8")
        numbers = tf.strings.unicode_decode(tokens_M, "UTF-8").flat_values
        named = tf.strings.join(["\\", tf.strings.as_string(numbers), ";"])
        known = self.alphabet.lookup(characters.flat_values) > 0
        characters = characters.with_flat_values(tf.where(known, characters.flat_values, named))
        return tf.strings.join([tf.strings.reduce_join(characters, axis=-1), "_"])

    def _unescaped(self, tokens_M: Any) -> Any:
        marked = tf.strings.regex_replace(tokens_M, f"({_ESCAPE})", rf"{self.mark}\1{self.mark}")
        parts = tf.strings.split(marked, self.mark)
        found = parts.flat_values
        plain = tf.where(found == r"\u", "_", tf.where(found == r"\\", "\\", found))
        is_number = tf.strings.regex_full_match(found, r"\\[0-9]+;")
        digits = tf.strings.regex_replace(found, r"^\\0*([0-9]+);$", r"\1")
        # Seven digits hold every character's number; more of them would overflow.
        usable = is_number & (tf.strings.length(digits) <= 7)
        number = tf.strings.to_number(tf.where(usable, digits, "-1"), tf.int32)
        surrogate = (number >= 0xD800) & (number <= 0xDFFF)
        names = (number >= 0) & (number <= sys.maxunicode) & ~surrogate
        number = tf.where(names, number, ord(UNDEFINED))
        characters = tf.strings.unicode_encode(number[:, None], "UTF-8")
        return tf.strings.reduce_join(
            parts.with_flat_values(tf.where(is_number, characters, plain)), axis=-1
        )


def _table(values: dict[str, int], dtype: Any) -> Any:
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(list(values), list(values.values()), tf.string, dtype),
        default_value=-1,
    )
