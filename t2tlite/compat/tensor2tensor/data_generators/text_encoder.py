"""As `tensor2tensor.data_generators.text_encoder`."""

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from t2tlite.compat.encoders import TextEncoder
from t2tlite.compat.tensor2tensor.data_generators import tokenizer
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
    TokenTextEncoder,
    load_vocabulary,
    strip_ids,
    train_sentencepiece,
)

RESERVED_TOKENS_BYTES = [token.encode() for token in RESERVED_TOKENS]


class RealEncoder:
    """Numbers, without conversion."""

    vocab_size = 0

    def encode(self, s: str) -> list[float]:
        """Returns the numbers in a text."""
        return [float(word) for word in s.split()]

    def decode(self, ids: Sequence[float], strip_extraneous: bool = False) -> str:
        """Returns a text with the numbers."""
        return " ".join(map(str, ids))


class SubwordTextEncoder(TextEncoder):
    """A subword vocabulary: T2T's file, or the SentencePiece file that replaces it."""

    def __init__(self, filename: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self._learned: bytes | None = None
        if filename is not None:
            path = Path(filename)
            self._encoder = load_vocabulary(path if path.exists() else sentencepiece_path(path))
            self.filename = os.fspath(filename)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_encoder" not in vars(self):
            raise AttributeError(name)
        return getattr(self._encoder, name)

    @property
    def vocab_size(self) -> int:
        return self._encoder.vocab_size

    def encode(self, s: str) -> list[int]:
        return self._encoder.encode(s)

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        return self._encoder.decode(ids, strip_extraneous)

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        return self._encoder.decode_list(ids)

    @classmethod
    def build_from_generator(
        cls,
        generator: Iterable[str],
        target_size: int,
        max_subtoken_length: int | None = None,
        reserved_tokens: Sequence[str] | None = None,
    ) -> "SubwordTextEncoder":
        """Learns a vocabulary of about `target_size` tokens from texts."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "vocabulary.model")
            encoder = cls()
            encoder._encoder = train_sentencepiece(
                generator,
                target_size,
                path,
                reserved_tokens=reserved_tokens or (),
                max_subtoken_length=max_subtoken_length,
            )
            encoder._learned = Path(path).read_bytes()
        return encoder

    @classmethod
    def build_to_target_size(
        cls, target_size: int, token_counts: dict[str, int], *args: Any, **kwargs: Any
    ) -> "SubwordTextEncoder":
        """Learns a vocabulary of about `target_size` tokens from words with their counts."""
        known = {"max_subtoken_length", "reserved_tokens"}
        return cls.build_from_generator(
            (" ".join([word] * count) for word, count in token_counts.items()),
            target_size,
            **{name: value for name, value in kwargs.items() if name in known},
        )

    def store_to_file(
        self, filename: str | os.PathLike[str], add_single_quotes: bool = True
    ) -> None:
        """Writes the vocabulary; the name of a SentencePiece file ends in .model."""
        source = Path(self._encoder.filename)  # type: ignore[attr-defined]
        target = Path(filename) if source.suffix != ".model" else sentencepiece_path(filename)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._learned or source.read_bytes())


def sentencepiece_path(filename: str | os.PathLike[str]) -> Path:
    """Returns the path of the SentencePiece file that replaces T2T's `filename`."""
    return Path(sentencepiece_filename(str(filename)))


def unicode_to_native(s: str) -> str:
    """Returns the text unchanged, as in Python 3."""
    return s


def to_unicode(s: Any, ignore_errors: bool = False) -> str:
    """Decodes UTF-8 bytes; returns a str unchanged."""
    errors = "ignore" if ignore_errors else "strict"
    return s.decode("utf-8", errors) if isinstance(s, bytes) else s


native_to_unicode = to_unicode


def to_unicode_ignore_errors(s: Any) -> str:
    """Decodes bytes and drops what isn't UTF-8."""
    return to_unicode(s, ignore_errors=True)


def _escape_token(token: str, alphabet: Any) -> str:
    """Escapes a word as T2T: `_` as `\\u`, characters outside `alphabet` by code point."""
    token = token.replace("\\", "\\\\").replace("_", "\\u")
    return "".join(c if c in alphabet and c != "\n" else f"\\{ord(c)};" for c in token) + "_"


def _unescape_token(escaped_token: str) -> str:
    """Reverses `_escape_token`."""
    return re.sub(
        r"\\u|\\\\|\\([0-9]+);",
        lambda match: chr(int(match[1])) if match[1] else ("_" if match[0] == "\\u" else "\\"),
        escaped_token.removesuffix("_"),
    )
