"""SentencePiece vocabularies in use: text to ids and back, lossless for any Unicode text.

A vocabulary that `sentencepiece_training.py` made normalises nothing, drops or adds no white space,
and turns a character without a piece into its UTF-8 bytes, so there is no unknown text. Text that
looks like a control piece (`<pad>`, `<0x41>`) is encoded as the characters it is made of.
(SentencePiece: Kudo and Richardson 2018.)

One character needs help: SentencePiece writes a space as U+2581 inside, and turns every U+2581 into
a space when it decodes. So text goes in and comes out through a two-character escape that begins
with U+001A (SUBSTITUTE), a control character that text hardly ever holds:

    U+2581  <->  U+001A _            U+001A  <->  U+001A .

Either direction is two plain replacements in a fixed order (`escape`, `unescape`), which a graph of
string operations can do as well. Text with neither character, all but all text, is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sentencepiece

from t2tlite.errors import DataError, VocabularyError
from t2tlite.text.encoder import EOS_ID, PAD_ID, TextEncoder, check_encodable
from t2tlite.text.vocabulary_file import read_vocabulary

SPACE_MARK = "\u2581"
ESCAPE = "\x1a"
ESCAPED_ESCAPE = ESCAPE + "."
ESCAPED_SPACE_MARK = ESCAPE + "_"


def escape(text: str) -> str:
    """Returns `text` without U+2581, as SentencePiece gets it."""
    # All that most texts pay: less than 1 % of what encoding them takes.
    if SPACE_MARK not in text and ESCAPE not in text:
        return text
    return text.replace(ESCAPE, ESCAPED_ESCAPE).replace(SPACE_MARK, ESCAPED_SPACE_MARK)


def unescape(text: str) -> str:
    """Undoes `escape`; an escape that a model made up and that means nothing stays as it is."""
    if ESCAPE not in text:
        return text
    return text.replace(ESCAPED_SPACE_MARK, SPACE_MARK).replace(ESCAPED_ESCAPE, ESCAPE)


class SentencePieceEncoder(TextEncoder):
    """Encodes and decodes with a SentencePiece `.model` file.

    Text comes back unchanged from `decode(encode(text))` if t2tlite made the file. One from
    elsewhere is welcome if its PAD is 0 and its EOS 1; it keeps its own normalisation.
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        """Loads the vocabulary.

        Args:
          filename: a SentencePiece model of any type.

        Raises:
          VocabularyError: the file is missing or broken, or has other ids for PAD and EOS.
        """
        super().__init__()
        self.filename = os.fspath(filename)
        content = read_vocabulary(filename)
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        except (RuntimeError, ValueError, OSError) as error:
            raise VocabularyError(
                f"{self.filename} is no SentencePiece model, or a damaged one; delete it and make "
                "it again"
            ) from error
        found = (self._processor.pad_id(), self._processor.eos_id())
        if found != (PAD_ID, EOS_ID):
            raise VocabularyError(
                f"{self.filename} has the ids {found[0]} for padding and {found[1]} for the end "
                f"of a sequence, expected {PAD_ID} and {EOS_ID}; train it with --pad_id={PAD_ID} "
                f"--eos_id={EOS_ID} --unk_id=2 --bos_id=-1"
            )

    @property
    def vocab_size(self) -> int:
        """The number of pieces, control and byte pieces included."""
        return int(self._processor.get_piece_size())

    @property
    def fallback_ids(self) -> frozenset[int]:
        """The byte pieces, and the unknown piece of a model without them."""
        processor = self._processor
        ids = range(self.vocab_size)
        return frozenset(i for i in ids if processor.is_byte(i) or processor.is_unknown(i))

    def encode(self, text: str) -> list[int]:
        """Returns the piece ids of `text`.

        Raises:
          DataError: `text` holds a lone surrogate.
        """
        ids: list[int] = self._encoded(escape(text), [text])
        return ids

    def encode_batch(self, texts: list[str], num_threads: int = 1) -> list[list[int]]:
        """Returns the piece ids of each text, by one call that is faster than one a text.

        Args:
          texts: any number of texts.
          num_threads: threads that SentencePiece spreads the texts over.

        Raises:
          DataError: a text holds a lone surrogate.
        """
        escaped = [escape(text) for text in texts]
        ids: list[list[int]] = self._encoded(escaped, texts, num_threads)
        return ids

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """Returns the text of `ids`, PAD and EOS dropped; bytes that are no UTF-8 become U+FFFD.

        Args:
          ids: ids in [0, vocab_size).
          strip_extraneous: of no effect, since PAD and EOS add nothing anywhere.

        Raises:
          DataError: an id isn't in [0, vocab_size).
        """
        numbers = list(map(int, ids))
        try:
            text: str = self._processor.decode(numbers)
        except IndexError:
            raise self._out_of_range(numbers) from None
        return unescape(text)

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """Returns the pieces of `ids`; in them U+2581 is a space, and `<0xC3>` a byte.

        Raises:
          DataError: an id isn't in [0, vocab_size).
        """
        numbers = list(map(int, ids))
        try:
            return [str(self._processor.id_to_piece(number)) for number in numbers]
        except IndexError:
            raise self._out_of_range(numbers) from None

    def _encoded(self, escaped: str | list[str], texts: list[str], num_threads: int = 1) -> Any:
        try:
            return self._processor.encode(escaped, num_threads=num_threads)
        except (RuntimeError, TypeError, ValueError):
            # SentencePiece can't name the text, and says only that it couldn't convert a string.
            for text in texts:
                check_encodable(text)
            raise

    def _out_of_range(self, ids: list[int]) -> DataError:
        wrong = next((id_ for id_ in ids if not 0 <= id_ < self.vocab_size), None)
        return DataError(
            f"id {wrong} is outside {self.filename}; expected 0 to {self.vocab_size - 1}: were "
            "these ids made with another vocabulary?"
        )
