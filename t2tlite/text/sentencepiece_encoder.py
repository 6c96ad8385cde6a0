"""Encodes and decodes with SentencePiece vocabularies, lossless for any Unicode text.

A vocabulary learned by `sentencepiece_training.py` normalises nothing, neither drops nor adds white
space, and encodes a character without a piece as its UTF-8 bytes, so that no text is unknown. Text
that looks like a control piece (`<pad>`, `<0x41>`) is encoded as its characters. (SentencePiece:
Kudo and Richardson 2018.)

SentencePiece represents a space as U+2581, and decodes every U+2581 as a space. So that U+2581
itself survives, it is escaped with U+001A (SUBSTITUTE), a control character that is rare in text:

    U+2581  <->  U+001A _            U+001A  <->  U+001A .

Each direction is two replacements in a fixed order (`escape`, `unescape`), which TensorFlow's
string operations can do as well.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Sequence
from typing import Any

import sentencepiece

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.errors import DataError, VocabularyError
from t2tlite.text.encoder import TextEncoder, as_text, encode_utf8, reserved_name
from t2tlite.text.sampled_pieces import BPE, PieceSampler
from t2tlite.text.vocabulary_file import read_vocabulary

SPACE_MARK = "\u2581"
ESCAPE = "\x1a"
ESCAPED_ESCAPE = ESCAPE + "."
ESCAPED_SPACE_MARK = ESCAPE + "_"


def escape(text: str) -> str:
    """Returns `text` with U+2581 escaped, as it is passed to SentencePiece."""
    # For most texts this check is the only cost, less than 1 % of that of encoding.
    if SPACE_MARK not in text and ESCAPE not in text:
        return text
    return text.replace(ESCAPE, ESCAPED_ESCAPE).replace(SPACE_MARK, ESCAPED_SPACE_MARK)


def unescape(text: str) -> str:
    """Returns the text of what SentencePiece decodes; undefined escapes stay unchanged.

    SentencePiece decodes the U+2581 of its pieces as spaces, but not one that is encoded as bytes,
    as a vocabulary does that was learned from text without spaces. Escaped text has no other.
    """
    text = text.replace(SPACE_MARK, " ")
    if ESCAPE not in text:
        return text
    return text.replace(ESCAPED_SPACE_MARK, SPACE_MARK).replace(ESCAPED_ESCAPE, ESCAPE)


class SentencePieceEncoder(TextEncoder):
    """Encodes and decodes with a SentencePiece `.model` file.

    `decode(encode(text)) == text` if t2tlite learned the vocabulary. A file from elsewhere is
    accepted if its PAD is 0 and its EOS 1; its own normalisation applies.

    Args:
      filename: a SentencePiece model of any type.

    Raises:
      VocabularyError: the file is missing or damaged, or has other ids for PAD and EOS.
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        content = read_vocabulary(filename)
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=content)
            # A damaged piece that isn't UTF-8 would fail only when it is decoded.
            ids = list(range(self.vocab_size))
            self._processor.id_to_piece(ids)
            self._processor.decode(ids)
        except (RuntimeError, ValueError, OSError) as error:
            raise VocabularyError(
                f"{self.filename} isn't a SentencePiece model, or is damaged; delete it and run "
                f"t2t-datagen again"
            ) from error
        self._sampler: PieceSampler | None = None
        pad_id, eos_id = self._processor.pad_id(), self._processor.eos_id()
        if (pad_id, eos_id) != (PAD_ID, EOS_ID):
            raise VocabularyError(
                f"{self.filename} has id {pad_id} for padding and {eos_id} for the end of a "
                f"sequence, expected {PAD_ID} and {EOS_ID}; train it with --pad_id={PAD_ID} "
                f"--eos_id={EOS_ID} --unk_id=2 --bos_id=-1"
            )

    # A worker process makes its own sampler.
    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_sampler": None}

    @property
    def vocab_size(self) -> int:
        return int(self._processor.get_piece_size())

    @property
    def fallback_ids(self) -> frozenset[int]:
        """The byte pieces and the unknown piece."""
        processor = self._processor
        ids = range(self.vocab_size)
        return frozenset(i for i in ids if processor.is_byte(i) or processor.is_unknown(i))

    def encode(self, text: str) -> list[int]:
        text = as_text(text)
        ids: list[int] = self._encoded(escape(text), [text])
        return ids

    def encode_batch(self, texts: list[str], num_threads: int = 1) -> list[list[int]]:
        """Returns the piece ids of each text, faster than separate calls of `encode`.

        Raises:
          DataError: a text has a lone surrogate, or its bytes aren't UTF-8.
        """
        texts = [as_text(text) for text in texts]
        escaped = [escape(text) for text in texts]
        ids: list[list[int]] = self._encoded(escaped, texts, num_threads)
        return ids

    def sample_batch(
        self, texts: list[str], seed: int, alpha: float, nbest_size: int = -1
    ) -> list[list[int]]:
        """Returns piece ids of a segmentation of each text that is drawn at random.

        Args:
          texts: decoding the ids gives them, too.
          seed: the same for the same ids.
          alpha, nbest_size: of `SampledSegmentations`.

        Raises:
          DataError: a text has a lone surrogate.
          VocabularyError: a model of this type can't be sampled so.
        """
        if self._sampler is None:
            model = self._processor.serialized_model_proto()
            self._sampler = PieceSampler(model, self._processor, self.filename)
        if self._sampler.kind == BPE and nbest_size > 0:
            raise VocabularyError(
                f"{self.filename} is a vocabulary of byte-pair encoding, which has no n-best "
                f"segmentations; set nbest_size=-1"
            )
        generator = random.Random(seed)
        escaped = [escape(encode_utf8(as_text(text)).decode()) for text in texts]
        return [self._sampler.sample(text, alpha, nbest_size, generator) for text in escaped]

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """Returns the text of `ids`; PAD and EOS become `<pad>` and `<EOS>`, invalid UTF-8 U+FFFD.

        Args:
          ids: ids in [0, vocab_size).
          strip_extraneous: remove PAD and EOS at the end first.
        """
        numbers = list(map(int, self._stripped(ids, strip_extraneous)))
        if PAD_ID not in numbers and EOS_ID not in numbers:
            return self._decoded(numbers)
        # SentencePiece would leave them out.
        return "".join(
            "".join(reserved_name(id_) for id_ in run) if is_reserved else self._decoded(list(run))
            for is_reserved, run in itertools.groupby(numbers, (PAD_ID, EOS_ID).__contains__)
        )

    def _decoded(self, ids: list[int]) -> str:
        """Returns the text of `ids`, none of which is PAD or EOS."""
        try:
            text: str = self._processor.decode(ids)
        except IndexError:
            raise self._out_of_range(ids) from None
        return unescape(text)

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """Returns the pieces of `ids`, with U+2581 for a space and `<0xC3>` for a byte."""
        numbers = list(map(int, ids))
        try:
            return [str(self._processor.id_to_piece(number)) for number in numbers]
        except IndexError:
            raise self._out_of_range(numbers) from None

    def _encoded(self, escaped: str | list[str], texts: list[str], num_threads: int = 1) -> Any:
        try:
            return self._processor.encode(escaped, num_threads=num_threads)
        except (RuntimeError, TypeError, ValueError):
            # SentencePiece's own error doesn't name the text.
            for text in texts:
                encode_utf8(text)
            raise

    def _out_of_range(self, ids: list[int]) -> DataError:
        wrong = next((id_ for id_ in ids if not 0 <= id_ < self.vocab_size), None)
        return DataError(
            f"id {wrong} is outside {self.filename}; expected 0 to {self.vocab_size - 1}: were "
            f"these ids encoded with another vocabulary?"
        )
