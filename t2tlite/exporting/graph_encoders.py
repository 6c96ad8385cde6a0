"""Vocabularies as TensorFlow graphs, with exactly the ids and texts of `t2tlite.text`'s encoders.

A SavedModel contains them, so serving it needs only TensorFlow and tensorflow-text.

Shapes: B texts; ids are int32 ragged [B, (ids of a text)].
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from t2tlite import libraries
from t2tlite.errors import VocabularyError
from t2tlite.exporting import graph_strings
from t2tlite.exporting.graph_strings import character_class, gather, well_formed
from t2tlite.exporting.graph_subwords import GraphSubwords
from t2tlite.text import (
    NUM_RESERVED_TOKENS,
    RESERVED_TOKENS,
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
    """Returns a tf.Module with the methods `encode(texts_B)` and `decode(ids)` of `encoder`.

    That of a ClassLabelEncoder only decodes.

    Raises:
      VocabularyError: the encoder's class is the user's own, so only Python can run it.
    """
    graph_classes: dict[type, Callable[[Any], Any]] = {
        SentencePieceEncoder: GraphSentencePiece,
        SubwordTextEncoder: GraphSubwords,
        TokenTextEncoder: GraphTokens,
        ByteTextEncoder: GraphBytes,
        ClassLabelEncoder: GraphLabels,
    }
    # Not isinstance: a subclass may encode differently.
    if type(encoder) not in graph_classes:
        raise VocabularyError(
            f"the vocabulary {type(encoder).__qualname__} is Python code, not part of a graph; "
            f"expected one of {', '.join(cls.__name__ for cls in graph_classes)}: use one of them, "
            f"or encode and decode in your client"
        )
    return graph_classes[type(encoder)](encoder)


class GraphSentencePiece(tf.Module):
    """The graph of `SentencePieceEncoder`."""

    def __init__(self, encoder: SentencePieceEncoder):
        super().__init__()
        import tensorflow_text

        with libraries.hidden_standard_error():
            self.tokenizer = tensorflow_text.SentencepieceTokenizer(
                Path(encoder.filename).read_bytes(), out_type=tf.int32
            )

    def encode(self, texts_B: Any) -> Any:
        texts_B = _replace(texts_B, ESCAPE, ESCAPED_ESCAPE)
        return self.tokenizer.tokenize(_replace(texts_B, SPACE_MARK, ESCAPED_SPACE_MARK))

    def decode(self, ids: Any) -> Any:
        # The tokenizer leaves PAD and EOS out, so the ids are decoded in runs: each PAD or EOS is
        # a run of its own.
        is_named = ids.flat_values < NUM_RESERVED_TOKENS
        after_named = tf.concat([[False], is_named[:-1]], 0)
        in_row = tf.ragged.range(ids.row_lengths()).flat_values
        starts = is_named | after_named | (in_row == 0)
        runs = tf.RaggedTensor.from_value_rowids(
            ids.flat_values, tf.cumsum(tf.cast(starts, tf.int64)) - 1
        )
        names = tf.gather(RESERVED_TOKENS, tf.minimum(ids.flat_values, NUM_RESERVED_TOKENS - 1))
        names, is_named = (tf.boolean_mask(values, starts) for values in (names, is_named))
        texts_R = tf.where(is_named, names, self._decode_runs(runs))
        rows_R = tf.boolean_mask(ids.value_rowids(), starts)
        texts = tf.RaggedTensor.from_value_rowids(texts_R, rows_R, nrows=ids.nrows())
        return tf.strings.reduce_join(texts, axis=-1)

    def _decode_runs(self, runs: Any) -> Any:
        """Returns the texts of runs without PAD and EOS, string [R]."""
        # A space that the vocabulary encodes as bytes; see `unescape`.
        texts_R = _replace(self.tokenizer.detokenize(runs), SPACE_MARK, " ")
        texts_R = _replace(texts_R, ESCAPED_SPACE_MARK, SPACE_MARK)
        return _replace(texts_R, ESCAPED_ESCAPE, ESCAPE)


class GraphTokens(tf.Module):
    """The graph of `TokenTextEncoder`; an unknown token without oov_token is an error."""

    def __init__(self, encoder: TokenTextEncoder):
        super().__init__()
        self.tokens = [encoder.decode([id_]) for id_ in range(encoder.vocab_size)]
        self.reverse = encoder.reverse
        # As in the encoder, the later id of a repeated token counts.
        ids = {token: id_ for id_, token in enumerate(self.tokens)}
        oov_id = -1 if encoder.oov_id is None else encoder.oov_id
        self.table = graph_strings.lookup_table(ids, tf.int32, oov_id)

    def encode(self, texts_B: Any) -> Any:
        spaced_B = tf.strings.regex_replace(texts_B, f"[{character_class(str.isspace)}]+", " ")
        tokens = tf.strings.split(spaced_B)
        ids = tf.ragged.map_flat_values(self.table.lookup, tokens)
        unknown = tf.boolean_mask(tokens.flat_values, ids.flat_values < 0)
        ids = graph_strings.require_known(ids, "tokens that the vocabulary lacks:", unknown)
        return tf.reverse(ids, [1]) if self.reverse else ids

    def decode(self, ids: Any) -> Any:
        ids = tf.reverse(ids, [1]) if self.reverse else ids
        return tf.strings.reduce_join(gather(self.tokens, ids), axis=-1, separator=" ")


class GraphBytes(tf.Module):
    """The graph of `ByteTextEncoder`."""

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
    """The graph of `ClassLabelEncoder`, for decoding one id per text."""

    def __init__(self, encoder: ClassLabelEncoder):
        super().__init__()
        self.labels = encoder.decode_list(range(encoder.vocab_size))

    def decode(self, ids: Any) -> Any:
        return tf.strings.reduce_join(gather(self.labels, ids), axis=-1)


def _replace(texts_B: Any, old: str, new: str) -> Any:
    return tf.strings.regex_replace(texts_B, re.escape(old), new)
