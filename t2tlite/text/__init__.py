"""From text to token ids and back: the encoders of a problem's vocabulary.

    CHARACTER   ByteTextEncoder        bytes
    TOKEN       TokenTextEncoder       whitespace-separated tokens of the user's file
    SUBWORD     SentencePieceEncoder   a vocabulary learned by `train_sentencepiece`
                SubwordTextEncoder     an existing `.subwords` file of T2T
    (labels)    ClassLabelEncoder      names of classes
    (numbers)   RealEncoder            targets of a regression

An encoder is any object with `vocab_size`, `encode(text) -> list[int]` and `decode(ids) -> str`.
Id 0 is padding and 1 the end of a sequence; `encode` appends neither. Nothing here needs
TensorFlow.
"""

from t2tlite.config import EOS_ID as EOS_ID
from t2tlite.config import PAD_ID as PAD_ID
from t2tlite.text.encoder import EOS as EOS
from t2tlite.text.encoder import NUM_RESERVED_TOKENS as NUM_RESERVED_TOKENS
from t2tlite.text.encoder import PAD as PAD
from t2tlite.text.encoder import RESERVED_TOKENS as RESERVED_TOKENS
from t2tlite.text.encoder import ByteTextEncoder as ByteTextEncoder
from t2tlite.text.encoder import ClassLabelEncoder as ClassLabelEncoder
from t2tlite.text.encoder import TextEncoder as TextEncoder
from t2tlite.text.encoder import strip_ids as strip_ids
from t2tlite.text.real_encoder import RealEncoder as RealEncoder
from t2tlite.text.sampling import SampledSegmentations as SampledSegmentations
from t2tlite.text.sentencepiece_encoder import SentencePieceEncoder as SentencePieceEncoder
from t2tlite.text.sentencepiece_training import train_sentencepiece as train_sentencepiece
from t2tlite.text.subword_encoder import SubwordTextEncoder as SubwordTextEncoder
from t2tlite.text.token_encoder import TokenTextEncoder as TokenTextEncoder
from t2tlite.text.vocabulary import load_vocabulary as load_vocabulary
from t2tlite.text.vocabulary import vocabulary_sha256 as vocabulary_sha256
