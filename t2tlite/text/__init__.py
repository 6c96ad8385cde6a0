"""From text to token ids and back: the encoders of a problem's vocabulary.

    CHARACTER   ByteTextEncoder        bytes
    TOKEN       TokenTextEncoder       whitespace-separated tokens of the user's file
    SUBWORD     SentencePieceEncoder   a vocabulary learned by `train_sentencepiece`
                SubwordTextEncoder     an existing `.subwords` file of T2T
    (labels)    ClassLabelEncoder      names of classes

An encoder is any object with `vocab_size`, `encode(text) -> list[int]` and `decode(ids) -> str`.
Id 0 is padding and 1 the end of a sequence; `encode` appends neither. Nothing here needs
TensorFlow.
"""

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.text.encoder import (
    EOS,
    NUM_RESERVED_TOKENS,
    PAD,
    RESERVED_TOKENS,
    ByteTextEncoder,
    ClassLabelEncoder,
    TextEncoder,
    strip_ids,
)
from t2tlite.text.sentencepiece_encoder import SentencePieceEncoder
from t2tlite.text.sentencepiece_training import train_sentencepiece
from t2tlite.text.subword_encoder import SubwordTextEncoder
from t2tlite.text.token_encoder import TokenTextEncoder
from t2tlite.text.vocabulary import load_vocabulary, vocabulary_sha256

__all__ = [
    "EOS",
    "EOS_ID",
    "NUM_RESERVED_TOKENS",
    "PAD",
    "PAD_ID",
    "RESERVED_TOKENS",
    "ByteTextEncoder",
    "ClassLabelEncoder",
    "SentencePieceEncoder",
    "SubwordTextEncoder",
    "TextEncoder",
    "TokenTextEncoder",
    "load_vocabulary",
    "strip_ids",
    "train_sentencepiece",
    "vocabulary_sha256",
]
