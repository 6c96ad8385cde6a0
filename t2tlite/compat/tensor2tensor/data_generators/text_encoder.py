"""As `tensor2tensor.data_generators.text_encoder`."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

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

__all__ = [
    "EOS",
    "EOS_ID",
    "NUM_RESERVED_TOKENS",
    "PAD",
    "PAD_ID",
    "RESERVED_TOKENS",
    "RESERVED_TOKENS_BYTES",
    "ByteTextEncoder",
    "ClassLabelEncoder",
    "RealEncoder",
    "SubwordTextEncoder",
    "TextEncoder",
    "TokenTextEncoder",
    "native_to_unicode",
    "sentencepiece_path",
    "strip_ids",
    "to_unicode",
    "to_unicode_ignore_errors",
    "tokenizer",
    "unicode_to_native",
]


class TextEncoder:
    """Numbers in a text are its ids, moved by the reserved ones; the base of plugins' encoders."""

    def __init__(self, num_reserved_ids: int = NUM_RESERVED_TOKENS) -> None:
        self._num_reserved_ids = num_reserved_ids

    @property
    def num_reserved_ids(self) -> int:
        """How many ids, counted from 0, stand for no text."""
        return self._num_reserved_ids

    @property
    def vocab_size(self) -> int:
        """The number of ids."""
        raise NotImplementedError(f"{type(self).__name__} has no vocab_size")

    def encode(self, s: str) -> list[int]:
        """The ids of a text."""
        return [int(word) + self._num_reserved_ids for word in s.split()]

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """The text of ids."""
        if strip_extraneous:
            ids = strip_ids(ids, range(self._num_reserved_ids))
        return " ".join(self.decode_list(ids))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """One string for each id."""
        return [
            RESERVED_TOKENS[id_] if id_ < NUM_RESERVED_TOKENS else str(id_ - self._num_reserved_ids)
            for id_ in map(int, ids)
        ]


class RealEncoder:
    """Numbers as they are."""

    vocab_size = 0

    def encode(self, s: str) -> list[float]:
        """The numbers of a text."""
        return [float(word) for word in s.split()]

    def decode(self, ids: Sequence[float], strip_extraneous: bool = False) -> str:
        """A text of the numbers."""
        return " ".join(map(str, ids))


class SubwordTextEncoder(TextEncoder):
    """A subword vocabulary: T2T's file of that name, or the SentencePiece one made in its place."""

    def __init__(self, filename: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self._made: str | None = None
        if filename is not None:
            found = Path(filename)
            self._encoder: Any = load_vocabulary(
                found if found.exists() else sentencepiece_path(found)
            )
            self.filename = os.fspath(filename)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_encoder" not in vars(self):
            raise AttributeError(name)
        return getattr(self._encoder, name)

    @property
    def vocab_size(self) -> int:
        return int(self._encoder.vocab_size)

    def encode(self, s: str) -> list[int]:
        ids: list[int] = self._encoder.encode(s)
        return ids

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        return str(self._encoder.decode(ids, strip_extraneous))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        pieces: list[str] = self._encoder.decode_list(ids)
        return pieces

    @classmethod
    def build_from_generator(
        cls,
        generator: Iterable[str],
        target_size: int,
        max_subtoken_length: int | None = None,
        reserved_tokens: Sequence[str] | None = None,
    ) -> "SubwordTextEncoder":
        """Learns a vocabulary of about that size from texts."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "vocabulary.model")
            made = cls()
            made._encoder = train_sentencepiece(
                generator,
                target_size,
                path,
                reserved_tokens=reserved_tokens or (),
                max_subtoken_length=max_subtoken_length,
            )
            made._made = Path(path).read_bytes().hex()
        return made

    @classmethod
    def build_to_target_size(
        cls, target_size: int, token_counts: dict[str, int], *args: Any, **kwargs: Any
    ) -> "SubwordTextEncoder":
        """Learns a vocabulary of about that size from words and how often each occurs."""
        kept = {"max_subtoken_length", "reserved_tokens"}
        return cls.build_from_generator(
            (" ".join([word] * count) for word, count in token_counts.items()),
            target_size,
            **{name: value for name, value in kwargs.items() if name in kept},
        )

    def store_to_file(
        self, filename: str | os.PathLike[str], add_single_quotes: bool = True
    ) -> None:
        """Writes the vocabulary, a SentencePiece one under the name with .model at its end."""
        if self._made is not None:
            path = sentencepiece_path(filename)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes.fromhex(self._made))
        else:
            source = Path(self._encoder.filename)
            target = Path(filename) if source.suffix != ".model" else sentencepiece_path(filename)
            if source != target:
                shutil.copyfile(source, target)


def sentencepiece_path(filename: str | os.PathLike[str]) -> Path:
    """Where the SentencePiece vocabulary lies that takes the place of T2T's `filename`."""
    return Path(sentencepiece_filename(str(filename)))


def native_to_unicode(s: Any) -> str:
    """Text of Python 2's bytes or text."""
    return s.decode("utf-8") if isinstance(s, bytes) else s


def unicode_to_native(s: str) -> str:
    """The text itself, as in Python 3."""
    return s


def to_unicode(s: Any, ignore_errors: bool = False) -> str:
    """Text of UTF-8 bytes or text."""
    errors = "ignore" if ignore_errors else "strict"
    return s.decode("utf-8", errors) if isinstance(s, bytes) else s


def to_unicode_ignore_errors(s: Any) -> str:
    """Text of bytes, without what isn't UTF-8."""
    return to_unicode(s, ignore_errors=True)


def _escape_token(token: str, alphabet: Any) -> str:
    """T2T's escape of a word: `_` as `\\u`, and characters outside `alphabet` by number."""
    token = token.replace("\\", "\\\\").replace("_", "\\u")
    return "".join(c if c in alphabet and c != "\n" else f"\\{ord(c)};" for c in token) + "_"


def _unescape_token(escaped_token: str) -> str:
    """The word that T2T escaped."""
    escape = re.compile(r"\\u|\\\\|\\([0-9]+);")
    word = escaped_token.removesuffix("_")
    return escape.sub(
        lambda found: chr(int(found[1])) if found[1] else ("_" if found[0] == "\\u" else "\\"),
        word,
    )
