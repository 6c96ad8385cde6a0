"""From text to ids and back: the encoders behind a problem's vocabulary.

    CHARACTER   encoder.py                 bytes; class labels, too
    TOKEN       token_encoder.py           whitespace tokens of a file
    SUBWORD     sentencepiece_encoder.py   a vocabulary that sentencepiece_training.py learned
                subword_encoder.py         T2T's .subwords file, where there is one already

An encoder is anything with `vocab_size`, `encode(text) -> list[int]` and `decode(ids) -> str`;
0 is padding and 1 the end of a sequence in all of them, and `encode` appends neither.
Nothing here needs TensorFlow.
"""

from t2tlite.text.encoder import (
    EOS,
    EOS_ID,
    NUM_RESERVED_TOKENS,
    PAD,
    PAD_ID,
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
