"""As `tensor2tensor.data_generators.text_encoder`."""

import functools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite import text
from t2tlite.compat.tensor2tensor.data_generators import tokenizer
from t2tlite.errors import DataError
from t2tlite.plugins.stand_ins import absent_names
from t2tlite.problem_vocabulary import sentencepiece_filename
from t2tlite.text import (
    EOS,
    EOS_ID,
    NUM_RESERVED_TOKENS,
    PAD,
    PAD_ID,
    RESERVED_TOKENS,
    ByteTextEncoder,
    ClassLabelEncoder,
    RealEncoder,
    SentencePieceEncoder,
    TextEncoder,
    TokenTextEncoder,
    strip_ids,
)
from t2tlite.text.subwords import ESCAPE_CHARACTERS, escape_token, unescape_token

__getattr__ = absent_names(__name__)

RESERVED_TOKENS_BYTES = [token.encode() for token in RESERVED_TOKENS]
_ESCAPE_CHARS = set(ESCAPE_CHARACTERS)


class _AnySubwords(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        known = (text.SubwordTextEncoder, SentencePieceEncoder)
        return super().__instancecheck__(instance) or (
            cls is SubwordTextEncoder and isinstance(instance, known)
        )


class SubwordTextEncoder(text.SubwordTextEncoder, metaclass=_AnySubwords):
    """T2T's subword vocabulary; t2tlite's encoder of the SentencePiece file that replaces it.

    A problem's SUBWORD vocabulary is `vocab.NAME.model` here. So the name of T2T's file means that
    file if only it exists. Vocabularies that a plugin builds are T2T's.
    """

    def __new__(cls, filename: str | os.PathLike[str] | None = None) -> Any:
        # Never an instance of this class, so that it is exported as what it is.
        if cls is not SubwordTextEncoder:
            return super().__new__(cls)
        if filename is not None and not os.path.exists(filename):
            learned = sentencepiece_path(filename)
            if learned.exists():
                return SentencePieceEncoder(learned)
        return text.SubwordTextEncoder(filename)

    # What methods that a plugin copied from T2T use.
    _cache_size = 2**16

    @functools.cached_property
    def _cache(self) -> list[tuple[str | None, Any]]:
        return [(None, None)] * self._cache_size

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_cache"}

    def _fill(self, subtokens: Sequence[str]) -> None:
        super()._fill(subtokens)
        self.__dict__.pop("_cache", None)

    def _init_subtokens_from_list(
        self, subtoken_strings: list[str], reserved_tokens: list[str] | None = None
    ) -> None:
        self._fill([*(reserved_tokens or []), *subtoken_strings])

    def _init_alphabet_from_tokens(self, tokens: Iterable[str]) -> None:
        self._alphabet = ESCAPE_CHARACTERS.union(*tokens)


def sentencepiece_path(filename: str | os.PathLike[str]) -> Path:
    """Returns the path of the SentencePiece file that replaces T2T's `filename`."""
    return Path(sentencepiece_filename(str(filename)))


class OneHotClassLabelEncoder(ClassLabelEncoder):
    """Class labels as lists with one number per class."""

    def encode(  # type: ignore[override]
        self, label_str: str, on_value: int = 1, off_value: int = 0
    ) -> list[int]:
        """Returns a list of `off_value`, with `on_value` for the label."""
        hot = [off_value] * self.vocab_size
        hot[super().encode(label_str)] = on_value
        return hot

    def decode(self, ids: Any, strip_extraneous: bool = False) -> str:
        """Returns the label of the 1 in a list or array with one number per class."""
        hot = np.ravel(ids).tolist()
        if len(hot) != self.vocab_size or 1 not in hot:
            raise DataError(f"found {hot}; expected {self.vocab_size} numbers, one of them 1")
        return super().decode(hot.index(1))


def is_unicode(s: Any) -> bool:
    """Returns whether a value is a str."""
    return isinstance(s, str)


def unicode_to_native(s: str) -> str:
    """Returns the text unchanged, as in Python 3."""
    return s


def to_unicode(s: Any, ignore_errors: bool = False) -> str:
    """Decodes UTF-8 bytes; returns a str unchanged."""
    errors = "ignore" if ignore_errors else "strict"
    return s.decode("utf-8", errors) if isinstance(s, bytes) else s


native_to_unicode = to_unicode


def to_unicode_utf8(s: bytes) -> str:
    """Decodes UTF-8 bytes."""
    return s.decode("utf-8")


def to_unicode_ignore_errors(s: Any) -> str:
    """Decodes bytes and drops what isn't UTF-8."""
    return to_unicode(s, ignore_errors=True)


def _escape_token(token: str, alphabet: Any) -> str:
    """Escapes a word as T2T: `_` as `\\u`, characters outside `alphabet` by code point."""
    return escape_token(token, frozenset(alphabet))


_unescape_token = unescape_token
