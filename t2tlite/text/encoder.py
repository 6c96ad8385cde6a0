"""The base encoder, and the two encoders that need no vocabulary: bytes and class labels.

Names and behaviour are those of Tensor2Tensor 1.15.7 (data_generators/text_encoder.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.errors import DataError, VocabularyError
from t2tlite.text.vocabulary_file import read_vocabulary_lines

PAD = "<pad>"
EOS = "<EOS>"
# By id: PAD_ID and EOS_ID.
RESERVED_TOKENS = [PAD, EOS]
NUM_RESERVED_TOKENS = len(RESERVED_TOKENS)


def strip_ids(ids: Iterable[int], ids_to_strip: Iterable[int]) -> list[int]:
    """Returns `ids` without those of `ids_to_strip` at the end."""
    stripped = list(ids)
    strip = frozenset(ids_to_strip)
    while stripped and stripped[-1] in strip:
        stripped.pop()
    return stripped


def text_ids(ids: Iterable[int]) -> list[int]:
    """Returns the ids of text only: without PAD and EOS, wherever they are."""
    return [int(id_) for id_ in ids if id_ not in (PAD_ID, EOS_ID)]


def as_text(text: str | bytes) -> str:
    """Returns a str unchanged, and bytes decoded as UTF-8.

    Raises:
      DataError: the bytes aren't UTF-8.
    """
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        around = text[max(0, error.start - 10) : error.start + 11]
        raise DataError(
            f"byte {error.start} of the text, {text[error.start]:#04x}, isn't UTF-8 (in "
            f"{around!r}); decode the bytes with their own encoding"
        ) from None


def encode_utf8(text: str) -> bytes:
    """Returns `text` in UTF-8.

    Raises:
      DataError: names the first lone surrogate, its position and the text around it.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        position = error.start
        around = text[max(0, position - 10) : position + 11]
        raise DataError(
            f"character {position} of the text is {text[position]!r}, half of a surrogate pair and "
            f"not a character (in {around!r}); read the text as UTF-8 with errors='replace', or "
            f"remove it"
        ) from None


def reserved_name(reserved_id: int) -> str:
    """Returns the text of a reserved id: `<pad>`, `<EOS>`, then `<reserved_2>` and so on."""
    is_named = reserved_id < NUM_RESERVED_TOKENS
    return RESERVED_TOKENS[reserved_id] if is_named else f"<reserved_{reserved_id}>"


class TextEncoder:
    """Base of the encoders: encodes whole numbers, written with spaces between them.

    A user's encoder may inherit from it or not; it overrides `vocab_size`, `encode` and `decode`.

    Args:
      num_reserved_ids: ids, counted from 0, that stand for no text.
    """

    def __init__(self, num_reserved_ids: int | None = NUM_RESERVED_TOKENS) -> None:
        self._num_reserved_ids = num_reserved_ids or 0

    @property
    def num_reserved_ids(self) -> int:
        """Number of ids, counted from 0, that stand for no text."""
        return self._num_reserved_ids

    @property
    def fallback_ids(self) -> frozenset[int]:
        """Ids for text without a token of its own; their share shows how well a vocabulary fits."""
        return frozenset()

    @property
    def vocab_size(self) -> int:
        """Number of ids, reserved ones included; all ids are below it."""
        raise NotImplementedError(f"{type(self).__name__} has no vocab_size; define it")

    def encode(self, text: str) -> list[int]:
        """Returns the ids of `text`, without EOS.

        Args:
          text: a str, or its UTF-8 bytes.

        Raises:
          DataError: `text` has a lone surrogate, or its bytes aren't UTF-8.
          VocabularyError: a part of `text` has no id.
        """
        return [int(word) + self._num_reserved_ids for word in as_text(text).split()]

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """Returns the text of `ids`; PAD and EOS become `<pad>` and `<EOS>`.

        Args:
          ids: ids in [0, vocab_size).
          strip_extraneous: remove the reserved ids (PAD, EOS) at the end first.

        Raises:
          DataError: an id isn't in [0, vocab_size).
        """
        return " ".join(self.decode_list(self._stripped(ids, strip_extraneous)))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """Returns a string for each id, for display; joined, they need not be the text."""
        return [
            reserved_name(id_)
            if 0 <= id_ < self._num_reserved_ids
            else str(id_ - self._num_reserved_ids)
            for id_ in ids
        ]

    def _stripped(self, ids: Sequence[int], strip_extraneous: bool) -> Sequence[int]:
        return strip_ids(ids, range(self._num_reserved_ids)) if strip_extraneous else ids


class ByteTextEncoder(TextEncoder):
    """Encodes text as UTF-8 bytes; the id of a byte is its value plus the number of reserved ids.

    Any text can be encoded and is decoded unchanged. There is no vocabulary file. This is the
    encoder of `VocabType.CHARACTER`.
    """

    def __init__(self, num_reserved_ids: int = NUM_RESERVED_TOKENS) -> None:
        super().__init__(num_reserved_ids)
        reserved = [reserved_name(i).encode() for i in range(num_reserved_ids)]
        # A dict rather than a list, where negative ids would count from the end.
        self._bytes = dict(enumerate([*reserved, *(bytes([value]) for value in range(256))]))

    @property
    def vocab_size(self) -> int:
        return len(self._bytes)

    def encode(self, text: str) -> list[int]:
        return [value + self._num_reserved_ids for value in encode_utf8(as_text(text))]

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """Returns the text of `ids`; invalid UTF-8 becomes U+FFFD, reserved ids their names."""
        pieces = self._pieces(self._stripped(ids, strip_extraneous))
        return b"".join(pieces).decode("utf-8", errors="replace")

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """Returns ASCII characters and names of reserved ids; other bytes as `<0xC3>`."""
        return [
            piece.decode("ascii") if piece.isascii() else f"<0x{piece[0]:02X}>"
            for piece in self._pieces(ids)
        ]

    def _pieces(self, ids: Sequence[int]) -> list[bytes]:
        try:
            return [self._bytes[id_] for id_ in ids]
        except KeyError as error:
            raise DataError(
                f"id {error.args[0]} is outside this byte vocabulary; expected 0 to "
                f"{self.vocab_size - 1}: were these ids encoded with another vocabulary?"
            ) from None


class ClassLabelEncoder(TextEncoder):
    """Encodes class labels by their position in a list; no ids are reserved.

    As in T2T, `encode` maps a label to one id rather than a list.

    Args:
      class_labels: the labels in the order of their ids.
      class_labels_fname: a UTF-8 file with one label per line, which is read instead.

    Raises:
      VocabularyError: the file is missing or damaged, neither argument is given, or a label appears
        twice.
    """

    def __init__(
        self,
        class_labels: Sequence[str] | None = None,
        class_labels_fname: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(num_reserved_ids=0)
        if class_labels_fname:
            class_labels = [line.strip() for line in read_vocabulary_lines(class_labels_fname)]
        if not class_labels:
            raise VocabularyError(
                "ClassLabelEncoder got no label; give it class_labels or class_labels_fname"
            )
        self._class_labels = list(class_labels)
        self._label_to_id = {label: id_ for id_, label in enumerate(self._class_labels)}
        if len(self._label_to_id) < len(self._class_labels):
            label = next(x for x in self._class_labels if self._class_labels.count(x) > 1)
            raise VocabularyError(
                f"class label {label!r} appears twice; every label needs its own id"
            )

    @property
    def vocab_size(self) -> int:
        return len(self._class_labels)

    # Not a list, because T2T's plugins write [encoder.encode(label)].
    def encode(self, text: str) -> int:  # type: ignore[override]
        """Returns the id of a label.

        Raises:
          DataError: there is no such label.
        """
        try:
            return self._label_to_id[text]
        except KeyError:
            known = ", ".join(map(repr, self._class_labels[:10]))
            more = ", ..." if self.vocab_size > 10 else ""
            raise DataError(
                f"{text!r} isn't a class label; expected one of {known}{more}"
            ) from None

    def decode(self, ids: Sequence[int] | int, strip_extraneous: bool = False) -> str:
        """Returns the label of an id.

        Args:
          ids: an id, or a list or array with one id.
          strip_extraneous: has no effect.

        Raises:
          DataError: there isn't exactly one id, or no label has it.
        """
        id_ = ids.tolist() if hasattr(ids, "tolist") else ids
        while isinstance(id_, Sequence):
            if len(id_) != 1:
                raise DataError(f"found {len(id_)} ids {id_!r}, expected the id of one label")
            id_ = id_[0]
        return self._label(int(id_))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        return [self._label(int(id_)) for id_ in ids]

    def _label(self, id_: int) -> str:
        if not 0 <= id_ < self.vocab_size:
            raise DataError(f"no class label has id {id_}; expected 0 to {self.vocab_size - 1}")
        return self._class_labels[id_]
