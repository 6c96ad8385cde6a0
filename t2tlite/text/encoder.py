"""The encoder interface, and the two encoders that need no vocabulary: bytes and class labels.

Names and meanings are Tensor2Tensor's (data_generators/text_encoder.py, version 1.15.7).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from t2tlite.config import EOS_ID as EOS_ID
from t2tlite.config import PAD_ID as PAD_ID
from t2tlite.errors import DataError, VocabularyError
from t2tlite.text.vocabulary_file import read_vocabulary_lines

PAD = "<pad>"
EOS = "<EOS>"
RESERVED_TOKENS = [PAD, EOS]
NUM_RESERVED_TOKENS = len(RESERVED_TOKENS)


def strip_ids(ids: Iterable[int], ids_to_strip: Iterable[int]) -> list[int]:
    """`ids` without those of `ids_to_strip` that stand at its end."""
    kept = list(ids)
    unwanted = frozenset(ids_to_strip)
    while kept and kept[-1] in unwanted:
        kept.pop()
    return kept


def check_encodable(text: str) -> None:
    """Tells whether `text` is Unicode that a file can hold: it has no lone surrogates.

    Raises:
      DataError: names the first lone surrogate, its position and what surrounds it.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        position = error.start
        around = text[max(0, position - 10) : position + 11]
        raise DataError(
            f"character {position} of the text is {text[position]!r}, half of a surrogate pair, "
            f"which stands for no character (in {around!r}); read the text as UTF-8 with "
            "errors='replace', or remove it"
        ) from None


def reserved_name(reserved_id: int) -> str:
    """What a reserved id is called in decoded text: `<pad>`, `<EOS>`, then `<reserved_2>` ..."""
    if reserved_id < NUM_RESERVED_TOKENS:
        return RESERVED_TOKENS[reserved_id]
    return f"<reserved_{reserved_id}>"


class TextEncoder(ABC):
    """What every encoder of this package does; an encoder of a user's own may inherit it or not.

    A subclass defines `vocab_size`, `encode` and `decode`.
    """

    def __init__(self, num_reserved_ids: int = NUM_RESERVED_TOKENS) -> None:
        self._num_reserved_ids = num_reserved_ids

    @property
    def num_reserved_ids(self) -> int:
        """How many ids, counted from 0, stand for no text."""
        return self._num_reserved_ids

    @property
    def fallback_ids(self) -> frozenset[int]:
        """The ids that stand for text without a token of its own; many of them: a poor fit."""
        return frozenset()

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """The number of ids, reserved ones included; all ids are below it."""

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without an end-of-sequence id."""

    @abstractmethod
    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """The text of `ids`.

        Args:
          ids: ids in [0, vocab_size).
          strip_extraneous: drop the reserved ids (PAD, EOS) at the end first.
        """

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """One string for each id, for people to look at; joined, they needn't be the text."""
        return [
            reserved_name(id_)
            if 0 <= id_ < self._num_reserved_ids
            else str(id_ - self._num_reserved_ids)
            for id_ in ids
        ]

    def _stripped(self, ids: Sequence[int], strip_extraneous: bool) -> Sequence[int]:
        return strip_ids(ids, range(self._num_reserved_ids)) if strip_extraneous else ids


class ByteTextEncoder(TextEncoder):
    """Text as its UTF-8 bytes, each byte's id being its value plus the reserved ids.

    Any text can be encoded and comes back unchanged; there is no vocabulary file. This is the
    vocabulary of `VocabType.CHARACTER`.
    """

    def __init__(self, num_reserved_ids: int = NUM_RESERVED_TOKENS) -> None:
        super().__init__(num_reserved_ids)
        reserved = [reserved_name(i).encode() for i in range(num_reserved_ids)]
        # A dict, not a list: a negative id must not count from the end.
        self._bytes = dict(enumerate([*reserved, *(bytes([value]) for value in range(256))]))

    @property
    def vocab_size(self) -> int:
        """256 and the reserved ids."""
        return len(self._bytes)

    def encode(self, text: str) -> list[int]:
        """One id for each UTF-8 byte of `text`.

        Raises:
          DataError: `text` holds a lone surrogate.
        """
        try:
            content = text.encode("utf-8")
        except UnicodeEncodeError:
            check_encodable(text)
            raise
        return [value + self._num_reserved_ids for value in content]

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """The text of `ids`; bytes that form no UTF-8 become U+FFFD, reserved ids their names.

        Raises:
          DataError: an id isn't in [0, vocab_size).
        """
        pieces = self._pieces(self._stripped(ids, strip_extraneous))
        return b"".join(pieces).decode("utf-8", errors="replace")

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """ASCII bytes and reserved ids as they are, other bytes as `<0xC3>`.

        Raises:
          DataError: an id isn't in [0, vocab_size).
        """
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
                f"{self.vocab_size - 1}: were these ids made with another vocabulary?"
            ) from None


class ClassLabelEncoder(TextEncoder):
    """Class labels, a label's id being its place in the list; no ids are reserved.

    As in T2T it maps one label to one number, not a text to a list of them.
    """

    def __init__(
        self,
        class_labels: Sequence[str] | None = None,
        class_labels_fname: str | os.PathLike[str] | None = None,
    ) -> None:
        """Takes the labels as a list or from a file.

        Args:
          class_labels: the labels, in the order of their ids.
          class_labels_fname: a UTF-8 file with one label a line.

        Raises:
          VocabularyError: the file is missing or broken, both or neither argument is given, or a
            label appears twice.
        """
        super().__init__(num_reserved_ids=0)
        if bool(class_labels) == bool(class_labels_fname):
            raise VocabularyError(
                "ClassLabelEncoder takes either class_labels or class_labels_fname, and found "
                f"{'both' if class_labels else 'neither'}; give it one of them"
            )
        if class_labels_fname:
            class_labels = [line.strip() for line in read_vocabulary_lines(class_labels_fname)]
        self._class_labels = list(class_labels or ())
        self._label_to_id = {label: id_ for id_, label in enumerate(self._class_labels)}
        if len(self._label_to_id) < len(self._class_labels):
            twice = next(x for x in self._class_labels if self._class_labels.count(x) > 1)
            raise VocabularyError(
                f"class label {twice!r} appears twice; every label needs its own id"
            )

    @property
    def vocab_size(self) -> int:
        """The number of labels."""
        return len(self._class_labels)

    # One number where other encoders return a list: T2T's plugins write [encoder.encode(label)].
    def encode(self, text: str) -> int:  # type: ignore[override]
        """The id of a label.

        Raises:
          DataError: there is no such label.
        """
        try:
            return self._label_to_id[text]
        except KeyError:
            known = ", ".join(map(repr, self._class_labels[:10]))
            more = ", ..." if self.vocab_size > 10 else ""
            raise DataError(f"{text!r} is no class label; expected one of {known}{more}") from None

    def decode(self, ids: Sequence[int] | int, strip_extraneous: bool = False) -> str:
        """The label of an id, which may come alone or as a list or array of one.

        Raises:
          DataError: there is more or less than one id, or it is no label's.
        """
        # A numpy scalar or array of any shape becomes numbers; plain ids pass through.
        found = ids.tolist() if hasattr(ids, "tolist") else ids
        while isinstance(found, Sequence):
            if len(found) != 1:
                raise DataError(f"found {len(found)} ids {found!r}, expected the id of one label")
            found = found[0]
        return self._label(int(found))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """The labels of several ids.

        Raises:
          DataError: an id is no label's.
        """
        return [self._label(int(id_)) for id_ in ids]

    def _label(self, id_: int) -> str:
        if not 0 <= id_ < self.vocab_size:
            raise DataError(f"id {id_} is no class label's; expected 0 to {self.vocab_size - 1}")
        return self._class_labels[id_]
