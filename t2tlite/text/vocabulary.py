"""Loads vocabulary files of any kind, and computes their hashes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from t2tlite.files import BYTE_ORDER_MARK
from t2tlite.text.encoder import PAD, TextEncoder
from t2tlite.text.sentencepiece_encoder import SentencePieceEncoder
from t2tlite.text.subword_encoder import SubwordTextEncoder
from t2tlite.text.token_encoder import TokenTextEncoder
from t2tlite.text.vocabulary_file import read_vocabulary


def load_vocabulary(path: str | os.PathLike[str]) -> TextEncoder:
    """Returns the encoder of a vocabulary file.

    A `.model` file is SentencePiece's and a `.subwords` file T2T's. With any other name, the first
    line decides: subwords if it is `<pad>` in quotes, as in early T2T vocabularies, or else
    whitespace-separated tokens.

    Raises:
      VocabularyError: the file is missing, empty or damaged.
    """
    suffix = Path(path).suffix
    if suffix == ".model":
        return SentencePieceEncoder(path)
    quoted_pad = tuple(f"{quote}{PAD}".encode() for quote in "'\"")
    content = read_vocabulary(path).removeprefix(BYTE_ORDER_MARK.encode())
    if suffix == ".subwords" or content.startswith(quoted_pad):
        return SubwordTextEncoder(path)
    return TokenTextEncoder(path)


def vocabulary_sha256(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of a vocabulary file in hexadecimal.

    Raises:
      VocabularyError: the file is missing, empty or unreadable.
    """
    return hashlib.sha256(read_vocabulary(path)).hexdigest()
