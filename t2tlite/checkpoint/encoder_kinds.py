"""Encoders as data: what run.json says of an encoder, and the encoder made from it again.

    {"kind": "sentencepiece", "file": "vocab.my_problem.8192.model"}
    {"kind": "subwords", "file": "vocab.my_problem.8192.subwords"}
    {"kind": "tokens", "file": "vocab.my_problem.tokens", "replace_oov": "UNK"}
    {"kind": "tokens", "tokens": ["<pad>", "<EOS>", "a", "b"], "reverse": true}
    {"kind": "bytes"}
    {"kind": "class_labels", "labels": ["negative", "positive"]}
    {"kind": "numbers", "vocab_size": 12}
    {"kind": "real"}

`KINDS` is the table of them. An encoder of another class, and one whose class overrides a method of
a known one, is a plugin's own and can't be data.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from t2tlite.data.manifest import from_json
from t2tlite.errors import DataError, VocabularyError
from t2tlite.text import (
    NUM_RESERVED_TOKENS,
    RESERVED_TOKENS,
    ByteTextEncoder,
    ClassLabelEncoder,
    RealEncoder,
    SentencePieceEncoder,
    SubwordTextEncoder,
    TextEncoder,
    TokenTextEncoder,
)

# Of reserved ids, and of ids: more than any vocabulary has.
_MOST_RESERVED = 2**15
MOST_IDS = 2**24
# What a class may define and still encode as its base class does. What `__init__` does shows in the
# encoder's state, from which its options are read.
_HARMLESS = {
    *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__"),
    *(
        "__new__",
        "__init__",
        "__firstlineno__",
        "__static_attributes__",
        "__annotate__",
        "__annotate_func__",
    ),
    *("__annotations_cache__", "__abstractmethods__", "_abc_impl"),
}
# What an instance may not replace.
_METHODS = {"encode", "encode_batch", "decode", "decode_list", "vocab_size"}
# Texts that encoders of one kind, made differently, encode differently.
_PROBES = ["", "a", "b a", "The 3 words, é\u2581 _\\u."]


@dataclass(frozen=True)
class _File:
    """Options of an encoder that is a file.

    Attributes:
      file: when described, its path; in run.json, its name in the model folder.
    """

    file: str

    @classmethod
    def of(cls, encoder: Any) -> _File:
        if encoder.filename is None:
            raise ValueError("it was made in memory")
        return cls(encoder.filename)


@dataclass(frozen=True)
class _Tokens:
    """Options of a TokenTextEncoder: those of its constructor, and either a file or its tokens."""

    file: str | None = None
    tokens: list[str] | None = None
    reverse: bool = False
    replace_oov: str | None = None
    num_reserved_ids: int = NUM_RESERVED_TOKENS

    @classmethod
    def of(cls, encoder: TokenTextEncoder) -> _Tokens:
        file = encoder.filename
        options = encoder.reverse, encoder.replace_oov, encoder.num_reserved_ids
        # One by one, because an encoder of reversed text reverses lists.
        size = 0 if file else encoder.vocab_size
        tokens = None if file else [encoder.decode_list([id_])[0] for id_ in range(size)]
        return cls(file, tokens, *options)

    def make(self, path: Path | None) -> TokenTextEncoder:
        if (path is None) == (self.tokens is None):
            raise ValueError("tokens need either a file or a list")
        reserved = list(self.tokens or [])[:NUM_RESERVED_TOKENS]
        if path is None and reserved != RESERVED_TOKENS:
            raise ValueError(f"the first tokens aren't {' and '.join(RESERVED_TOKENS)}")
        options = (self.reverse, self.tokens, self.replace_oov, self.num_reserved_ids)
        return TokenTextEncoder(path, *options)


@dataclass(frozen=True)
class _Bytes:
    """Options of a ByteTextEncoder."""

    num_reserved_ids: int = NUM_RESERVED_TOKENS

    @classmethod
    def of(cls, encoder: ByteTextEncoder) -> _Bytes:
        return cls(encoder.num_reserved_ids)


@dataclass(frozen=True)
class _Labels:
    """Options of a ClassLabelEncoder: the labels in the order of their ids."""

    labels: list[str]

    @classmethod
    def of(cls, encoder: ClassLabelEncoder) -> _Labels:
        return cls([str(label) for label in encoder.decode_list(range(encoder.vocab_size))])


@dataclass(frozen=True)
class _Numbers:
    """Options of a TextEncoder, which encodes numbers; T2T's own has no `vocab_size`."""

    vocab_size: int | None = None
    num_reserved_ids: int = NUM_RESERVED_TOKENS

    @classmethod
    def of(cls, encoder: TextEncoder) -> _Numbers:
        return cls(_size(encoder), encoder.num_reserved_ids)

    def make(self, path: None) -> TextEncoder:
        if self.vocab_size is None:
            return TextEncoder(self.num_reserved_ids)
        return _NumberEncoder(self.vocab_size, self.num_reserved_ids)


def _size(encoder: Any) -> int | None:
    """Returns the number of ids of an encoder; None if it doesn't say."""
    try:
        return int(encoder.vocab_size)
    except (AttributeError, NotImplementedError):
        return None


class _NumberEncoder(TextEncoder):
    """A TextEncoder with a number of ids."""

    def __init__(self, vocab_size: int, num_reserved_ids: int):
        super().__init__(num_reserved_ids)
        self._vocab_size = vocab_size

    @property
    def vocab_size(self) -> int:
        return self._vocab_size


@dataclass(frozen=True)
class _Real:
    """A RealEncoder, which has no options."""

    @classmethod
    def of(cls, encoder: RealEncoder) -> _Real:
        return cls()


class Kind(NamedTuple):
    """A kind of encoder.

    Attributes:
      encoder: the class.
      options: a dataclass of its options in run.json, with a class method `of(encoder)`.
      make: makes the encoder of options and, if they have a file, its path.
      overridable: names that a subclass may define, since `options` hold their values.
    """

    encoder: type
    options: Any
    make: Callable[[Any, Any], Any]
    overridable: frozenset[str] = frozenset()


KINDS = {
    "sentencepiece": Kind(SentencePieceEncoder, _File, lambda _, path: SentencePieceEncoder(path)),
    "subwords": Kind(SubwordTextEncoder, _File, lambda _, path: SubwordTextEncoder(path)),
    "tokens": Kind(TokenTextEncoder, _Tokens, _Tokens.make),
    "bytes": Kind(ByteTextEncoder, _Bytes, lambda one, _: ByteTextEncoder(one.num_reserved_ids)),
    "class_labels": Kind(ClassLabelEncoder, _Labels, lambda one, _: ClassLabelEncoder(one.labels)),
    "real": Kind(RealEncoder, _Real, lambda *_: RealEncoder()),
    "numbers": Kind(TextEncoder, _Numbers, _Numbers.make, frozenset({"vocab_size"})),
}


def describe(encoder: Any) -> dict[str, Any] | None:
    """Returns an encoder as JSON, with the path of its file in `file`; None if it can't be data."""
    names = {kind.encoder: name for name, kind in KINDS.items()}
    classes = type(encoder).__mro__
    known = next((one for one in classes if one in names), None)
    if known is None:
        return None
    kind, own = KINDS[names[known]], classes[: classes.index(known)]
    defined = set().union(*map(vars, own)) - _HARMLESS - kind.overridable
    if defined or _METHODS & set(vars(encoder)):
        return None
    return _describe(encoder, names[known])


def _describe(encoder: Any, name: str) -> dict[str, Any] | None:
    """Returns an encoder of a known kind as JSON, unless the one made from it is different."""
    # What it warns of was said when the encoder was made.
    log = logging.getLogger(TokenTextEncoder.__module__)
    log.disabled = True
    try:
        options = KINDS[name].options.of(encoder)
        again = KINDS[name].make(options, getattr(options, "file", None))
    except (ValueError, VocabularyError):
        return None
    finally:
        log.disabled = False
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    changed = {n: value for n, value in vars(options).items() if value != defaults[n]}
    return {"kind": name, **changed} if _are_alike(encoder, again) else None


def _are_alike(encoder: Any, again: Any) -> bool:
    """Whether two encoders have the same ids, as far as a look at each id and some texts shows."""
    size = _size(encoder)
    ids = range(size or 0)
    if size != _size(again) or any(encoder.decode_list([i]) != again.decode_list([i]) for i in ids):
        return False

    def encoded(one: Any, text: str) -> Any:
        try:
            return one.encode(text)
        except (DataError, ValueError, VocabularyError) as error:
            return type(error)

    return all(encoded(encoder, text) == encoded(again, text) for text in _PROBES)


def file_of(described: dict[str, Any]) -> str | None:
    """Returns the name of the file of an encoder of run.json; None if it has none."""
    return described.get("file")


def make(described: dict[str, Any], folder: str | Path) -> Any:
    """Returns the encoder that a part of run.json describes.

    Args:
      described: a value of `describe`, or anything that was read from JSON.
      folder: of its file.

    Raises:
      VocabularyError: the file is missing or damaged.
      ValueError, TypeError: it doesn't describe an encoder; the message is one line.
    """
    kind, options = check(described)
    name = file_of(described)
    return kind.make(options, None if name is None else Path(folder) / name)


def check(described: Any) -> tuple[Kind, Any]:
    """Returns kind and options of an encoder that was read from JSON.

    Raises:
      ValueError, TypeError: it doesn't describe an encoder; the message is one line.
    """
    values = dict(from_json(dict[str, Any], described, "an encoder"))
    name = values.pop("kind", None)
    if not isinstance(name, str) or name not in KINDS:
        raise ValueError(f"an encoder has the kind {str(name)[:40]!a}")
    options = from_json(KINDS[name].options, values, f"an encoder of the kind {name}")
    for field, most in (("num_reserved_ids", _MOST_RESERVED), ("vocab_size", MOST_IDS)):
        if not 0 <= (getattr(options, field, 0) or 0) <= most:
            raise ValueError(f"{field} of an encoder is not in 0 to {most}")
    return KINDS[name], options
