"""Learns a SentencePiece vocabulary from text, the same bytes from the same texts.

Pieces are learned by byte-pair encoding (Sennrich et al. 2016). The ids are PAD 0, EOS 1 and
unknown 2, then come the problem's reserved tokens, the 256 bytes, the learned pieces in the order
of their merges, and the single characters.
"""

from __future__ import annotations

import io
import logging
import os
import random
import re
from collections.abc import Iterable, Sequence
from typing import Any

import sentencepiece

from t2tlite.errors import VocabularyError
from t2tlite.files import atomic
from t2tlite.text.encoder import EOS, EOS_ID, PAD, PAD_ID, check_encodable
from t2tlite.text.sentencepiece_encoder import (
    ESCAPE,
    SPACE_MARK,
    SentencePieceEncoder,
    escape,
)

_log = logging.getLogger(__name__)

# Not <unk>: that is a word of many a corpus, and control pieces are never learned.
_UNKNOWN = "<unknown>"
_UNKNOWN_ID = 2
# Longer texts are cut, for SentencePiece drops a sentence above its limit. A cut hides one pair of
# characters from the count.
_SENTENCE_CHARACTERS = 4096
_UTF8_BYTES_PER_CHARACTER = 4
# Of more text a sample is learned from: pieces that it lacks are too rare to matter. The trainer
# takes about 10 bytes of memory, and 0.3 us, for each of them.
BUDGET_CHARACTERS = 5_000_000
# The trainer drops every sentence with this character, its own mark of the unknown. So sentences
# are cut at it; it is never learned, and encoded as bytes.
_TRAINER_MARK = "\u2585"
# What the trainer trims from a sentence's ends or skips; it fails if there is nothing else at all.
_NO_CONTENT = "\r\n\0"
# What no reserved token can be: the names of the unknown and of the byte pieces.
_TAKEN = re.compile(rf"{_UNKNOWN}|<0x[0-9A-F]{{2}}>")


def train_sentencepiece(
    texts: Iterable[str],
    vocab_size: int,
    filename: str | os.PathLike[str],
    *,
    reserved_tokens: Sequence[str] = (),
    max_subtoken_length: int | None = None,
    budget_characters: int = BUDGET_CHARACTERS,
) -> SentencePieceEncoder:
    """Learns a vocabulary and writes it as a `.model` file, whole or not at all.

    Memory depends on the budget, and not on how much text there is.

    Args:
      texts: what to learn from, in any number of pieces; a sentence or paragraph each is best.
      vocab_size: ids to have in all. More than the texts have pieces for becomes as many as they
      have, and fewer than their characters need as many as they need; a warning says so.
      filename: where to write; the folder is made if need be, and an old file replaced.
      reserved_tokens: strings that are one id each wherever they stand in a text. Their ids follow
      the unknown piece's, in this order. PAD and EOS, should they lead, are left out.
      max_subtoken_length: characters of the longest piece; None: SentencePiece's 16.
      budget_characters: of more text a sample is used, usually more than a third as large.

    Returns:
      The encoder of the new file.

    Raises:
      VocabularyError: there is no text, or a reserved token can't be one.
      DataError: a text holds a lone surrogate.
      OutputError: the file can't be written.
    """
    reserved = _checked_reserved_tokens(reserved_tokens)
    sample = _Sample(texts, budget_characters)
    sentences = list(_sentences(sample.texts))
    _log.info(
        "learning %d tokens from %s of %s million characters",
        vocab_size,
        f"{sample.characters / 1e6:,.1f}",
        f"{sample.seen / 1e6:,.1f}",
    )
    if not sentences:
        raise VocabularyError(
            "no text to learn a vocabulary from: expected samples with text in them; check what "
            "generate_samples (or generate_text_for_vocab) yields"
        )
    content = _trained(sentences, vocab_size, reserved, max_subtoken_length)
    with atomic(filename) as file:
        file.write(content)
    encoder = SentencePieceEncoder(filename)
    if encoder.vocab_size != vocab_size:
        _log.warning(
            "%s: the vocabulary has %d tokens, not the %d asked for: %s",
            encoder.filename,
            encoder.vocab_size,
            vocab_size,
            "the text yields no more"
            if encoder.vocab_size < vocab_size
            else "bytes and the characters of the text need as many",
        )
    return encoder


class _Sample:
    """Texts from all over, the same ones whenever it is made, in their order.

    Attributes:
      texts: the sample.
      characters: in the sample.
      seen: characters in all.
    """

    def __init__(self, texts: Iterable[str], budget: int):
        kept: list[str] = []
        characters = seen = 0
        draw = random.Random(0).random
        rate = 1.0
        for text in texts:
            seen += len(text)
            if draw() >= rate:
                continue
            kept.append(text)
            characters += len(text)
            while characters > budget and len(kept) > 1:
                # Each text that was seen so far stays with the same probability.
                rate /= 2
                kept = [one for one in kept if draw() < 0.5] or kept[:1]
                characters = sum(map(len, kept))
        self.texts, self.characters, self.seen = kept, characters, seen


def _sentences(texts: Iterable[str]) -> Iterable[str]:
    """Yields the texts as the trainer takes them: escaped, and none too long or dropped."""
    for text in texts:
        check_encodable(text)
        for part in escape(text).split(_TRAINER_MARK):
            for start in range(0, len(part), _SENTENCE_CHARACTERS):
                sentence = part[start : start + _SENTENCE_CHARACTERS]
                if sentence.strip(_NO_CONTENT):
                    yield sentence


def _trained(
    sentences: list[str], vocab_size: int, reserved: list[str], max_subtoken_length: int | None
) -> bytes:
    """Returns the bytes of a model; of a larger one if so many pieces can't hold the alphabet."""
    try:
        return _run_trainer(sentences, vocab_size, reserved, max_subtoken_length)
    except RuntimeError as error:
        # "... smaller than required_chars. 100 vs 286. ..."
        required = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
        if not required:
            raise VocabularyError(
                f"SentencePiece can't learn {vocab_size} tokens from these {len(sentences)} "
                f"texts: {' '.join(str(error).split())}"
            ) from error
    return _run_trainer(sentences, int(required[1]), reserved, max_subtoken_length)


def _run_trainer(
    sentences: list[str], vocab_size: int, reserved: list[str], max_subtoken_length: int | None
) -> bytes:
    model = io.BytesIO()
    options: dict[str, Any] = {}
    if max_subtoken_length:
        options["max_sentencepiece_length"] = max_subtoken_length
    # Names of files and numbers of threads would be part of the bytes: neither is set.
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        allow_whitespace_only_pieces=True,
        max_sentence_length=_SENTENCE_CHARACTERS * _UTF8_BYTES_PER_CHARACTER,
        user_defined_symbols=reserved,
        pad_id=PAD_ID,
        pad_piece=PAD,
        eos_id=EOS_ID,
        eos_piece=EOS,
        unk_id=_UNKNOWN_ID,
        unk_piece=_UNKNOWN,
        # No text encodes to it; a model may still choose it.
        unk_surface="\ufffd",
        bos_id=-1,
        minloglevel=2,
        **options,
    )
    return model.getvalue()


def _checked_reserved_tokens(tokens: Sequence[str]) -> list[str]:
    reserved = [token for token in tokens if token not in (PAD, EOS)]
    for token in reserved:
        problem = ""
        if not token:
            problem = "is empty"
        elif any(c.isspace() or c in (SPACE_MARK, ESCAPE, "\0") for c in token):
            problem = "holds white space, U+2581, U+001A or NUL"
        elif _TAKEN.fullmatch(token):
            problem = "has a meaning of its own in every SentencePiece vocabulary"
        elif reserved.count(token) > 1:
            problem = "appears twice"
        if problem:
            raise VocabularyError(
                f"reserved token {token!r} {problem}; choose another in additional_reserved_tokens"
            )
        check_encodable(token)
    return reserved
