"""Vocabularies as TensorFlow graphs: the ids and texts of `t2tlite.text`'s encoders, to the letter.

A SavedModel takes them along, so whoever serves it needs TensorFlow and tensorflow-text alone.
Shapes: B texts. Ragged tensors of ids are int32 [B, (ids of a text)].
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from t2tlite.errors import VocabularyError
from t2tlite.export.graph_strings import character_class, gather, well_formed
from t2tlite.export.graph_subwords import GraphSubwords
from t2tlite.text import (
    ByteTextEncoder,
    ClassLabelEncoder,
    SentencePieceEncoder,
    SubwordTextEncoder,
    TokenTextEncoder,
)
from t2tlite.text.sentencepiece_encoder import (
    ESCAPE,
    ESCAPED_ESCAPE,
    ESCAPED_SPACE_MARK,
    SPACE_MARK,
)


def graph_encoder(encoder: Any) -> Any:
    """Returns a tf.Module with `encode(texts_B)` and `decode(ids)` that does what `encoder` does.

    Raises:
      VocabularyError: it is a class of the user's own, which only Python can run.
    """
    kinds: dict[type, Callable[[Any], Any]] = {
        SentencePieceEncoder: GraphSentencePiece,
        SubwordTextEncoder: GraphSubwords,
        TokenTextEncoder: GraphTokens,
        ByteTextEncoder: GraphBytes,
        ClassLabelEncoder: GraphLabels,
    }
    # Not isinstance: a subclass may encode in another way.
    if type(encoder) not in kinds:
        raise VocabularyError(
            f"the vocabulary {type(encoder).__qualname__} is Python code and can't be exported; "
            f"expected one of {', '.join(kind.__name__ for kind in kinds)}: use one of them, or "
            f"decode with t2t-decoder"
        )
    return kinds[type(encoder)](encoder)


class GraphSentencePiece(tf.Module):
    """`SentencePieceEncoder`."""

    def __init__(self, encoder: SentencePieceEncoder):
        super().__init__()
        import tensorflow_text

        self.tokenizer = tensorflow_text.SentencepieceTokenizer(
            Path(encoder.filename).read_bytes(), out_type=tf.int32
        )

    def encode(self, texts_B: Any) -> Any:
        for found, replacement in ((ESCAPE, ESCAPED_ESCAPE), (SPACE_MARK, ESCAPED_SPACE_MARK)):
            texts_B = _replace(texts_B, found, replacement)
        return self.tokenizer.tokenize(texts_B)

    def decode(self, ids: Any) -> Any:
        texts_B = self.tokenizer.detokenize(ids)
        for found, replacement in ((ESCAPED_SPACE_MARK, SPACE_MARK), (ESCAPED_ESCAPE, ESCAPE)):
            texts_B = _replace(texts_B, found, replacement)
        return texts_B


class GraphTokens(tf.Module):
    """`TokenTextEncoder`; an unknown token is an error, unless the problem has an oov_token."""

    def __init__(self, encoder: TokenTextEncoder):
        super().__init__()
        self.tokens = [encoder.decode([id_]) for id_ in range(encoder.vocab_size)]
        self.reverse = encoder.reverse
        self.has_oov = encoder.oov_id is not None
        # Of a token that appears twice the later id counts.
        ids = {token: id_ for id_, token in enumerate(self.tokens)}
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(ids), list(ids.values()), tf.string, tf.int32),
            default_value=encoder.oov_id if self.has_oov else -1,
        )

    def encode(self, texts_B: Any) -> Any:
        spaced_B = tf.strings.regex_replace(texts_B, f"[{character_class(str.isspace)}]+", " ")
        tokens = tf.strings.split(spaced_B)
        ids = tf.ragged.map_flat_values(self.table.lookup, tokens)
        if not self.has_oov:
            unknown = tf.boolean_mask(tokens.flat_values, ids.flat_values < 0)
            known = tf.debugging.Assert(
                tf.size(unknown) == 0, ["tokens that the vocabulary lacks:", unknown]
            )
            with tf.control_dependencies([known]):
                ids = ids.with_flat_values(tf.identity(ids.flat_values))
        return tf.reverse(ids, [1]) if self.reverse else ids

    def decode(self, ids: Any) -> Any:
        ids = tf.reverse(ids, [1]) if self.reverse else ids
        return tf.strings.reduce_join(gather(self.tokens, ids), axis=-1, separator=" ")


class GraphBytes(tf.Module):
    """`ByteTextEncoder`."""

    def __init__(self, encoder: ByteTextEncoder):
        super().__init__()
        self.reserved = encoder.num_reserved_ids
        reserved = encoder.decode_list(range(self.reserved))
        self.pieces = [*(name.encode() for name in reserved), *(bytes([b]) for b in range(256))]

    def encode(self, texts_B: Any) -> Any:
        split = tf.strings.bytes_split(texts_B)
        values = tf.io.decode_raw(split.flat_values, tf.uint8, fixed_length=1)[:, 0]
        return split.with_flat_values(tf.cast(values, tf.int32) + self.reserved)

    def decode(self, ids: Any) -> Any:
        return well_formed(tf.strings.reduce_join(gather(self.pieces, ids), axis=-1))


class GraphLabels(tf.Module):
    """`ClassLabelEncoder`, for answers: its ids are one a text."""

    def __init__(self, encoder: ClassLabelEncoder):
        super().__init__()
        self.labels = encoder.decode_list(range(encoder.vocab_size))

    def decode(self, ids: Any) -> Any:
        return tf.strings.reduce_join(gather(self.labels, ids), axis=-1)


def _replace(texts_B: Any, found: str, replacement: str) -> Any:
    return tf.strings.regex_replace(texts_B, re.escape(found), replacement)
