"""Learns a SentencePiece vocabulary from text; the same texts give the same bytes.

Pieces are learned by byte-pair encoding (Sennrich et al. 2016). The ids are PAD 0 and EOS 1, then
the problem's reserved tokens from 2 as in T2T, the unknown piece, the 256 bytes, the learned pieces
in the order of their merges, and the single characters.

`SentencePieceEncoder` takes the ids of each file as they are, so that a vocabulary with the unknown
piece at 2 keeps its ids.
"""

from __future__ import annotations

import io
import logging
import os
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sentencepiece

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.errors import VocabularyError
from t2tlite.files import atomic
from t2tlite.text.encoder import EOS, NUM_RESERVED_TOKENS, PAD, as_text, encode_utf8
from t2tlite.text.sentencepiece_encoder import ESCAPE, SPACE_MARK, SentencePieceEncoder, escape

_log = logging.getLogger(__name__)

# Not <unk>, because many corpora have it as a word, and control pieces are never learned.
_UNKNOWN = "<unknown>"
# Longer texts are split, because SentencePiece drops sentences above its limit.
_SENTENCE_CHARACTERS = 4096
_UTF8_BYTES_PER_CHARACTER = 4
# From more text, a sample is drawn: pieces that it lacks are too rare to matter. The trainer needs
# about 10 bytes of memory and 0.3 us for each character.
BUDGET_CHARACTERS = 5_000_000
# The trainer drops sentences with this character, its own mark for unknown text. So sentences are
# split there; the character isn't learned, and is encoded as bytes.
_TRAINER_MARK = "\u2585"
# The trainer strips or skips these characters, and fails if there is no other.
_NO_CONTENT = "\r\n\0"
# Names of the byte pieces, which can't be reserved tokens.
_BYTE_PIECE = re.compile("<0x[0-9A-F]{2}>")


def train_sentencepiece(
    texts: Iterable[str],
    vocab_size: int,
    filename: str | os.PathLike[str],
    *,
    reserved_tokens: Sequence[str] = (),
    max_subtoken_length: int | None = None,
    budget_characters: int = BUDGET_CHARACTERS,
) -> SentencePieceEncoder:
    """Learns a vocabulary and writes it as a `.model` file, atomically.

    Memory depends on the budget, not on the amount of text.

    Args:
      texts: the corpus, preferably a sentence or paragraph per string.
      vocab_size: number of ids. If the texts have fewer pieces, or their characters need more ids,
        the vocabulary has another size, with a warning.
      filename: the file to write; its folder is created if absent, an old file is replaced.
      reserved_tokens: strings that are always encoded as one id. Their ids start at
        `NUM_RESERVED_TOKENS`, in this order. PAD and EOS are ignored.
      max_subtoken_length: characters of the longest piece; None: SentencePiece's 16.
      budget_characters: from more text, a sample of this size at most is drawn.

    Returns:
      The encoder of the new file.

    Raises:
      VocabularyError: there is no text, or a reserved token isn't possible.
      DataError: a text has a lone surrogate.
      OutputError: the file can't be written.
    """
    options = _special_pieces(reserved_tokens)
    if max_subtoken_length:
        options["max_sentencepiece_length"] = max_subtoken_length
    sample, characters = draw_sample(texts, budget_characters)
    sentences = list(_sentences(sample))
    shares = f"{sum(map(len, sample)) / 1e6:,.1f} of {characters / 1e6:,.1f}"
    _log.info("learning %d tokens from %s million characters", vocab_size, shares)
    if not sentences:
        raise VocabularyError(
            "there is no text to learn a vocabulary from; check what generate_samples (or "
            "generate_text_for_vocab) yields"
        )
    content = _train(sentences, vocab_size, options)
    with atomic(filename) as file:
        file.write(content)
    encoder = SentencePieceEncoder(filename)
    if encoder.vocab_size != vocab_size:
        _log.warning(
            "%s: the vocabulary has %d tokens instead of %d: %s",
            encoder.filename,
            encoder.vocab_size,
            vocab_size,
            "the text has no more pieces"
            if encoder.vocab_size < vocab_size
            else "bytes and the characters of the text need them",
        )
    return encoder


def draw_sample(texts: Iterable[str], budget: int) -> tuple[list[str], int]:
    """Returns texts from the whole corpus, always the same ones, and the corpus's characters."""
    sample: list[str] = []
    characters = seen = 0
    draw = random.Random(0).random
    rate = 1.0
    for text in map(as_text, texts):
        seen += len(text)
        if draw() >= rate:
            continue
        sample.append(text)
        characters += len(text)
        while characters > budget and len(sample) > 1:
            # All texts so far have the same probability to remain in the sample.
            rate /= 2
            sample = [text for text in sample if draw() < 0.5] or sample[:1]
            characters = sum(map(len, sample))
    return sample, seen


def _sentences(texts: Iterable[str]) -> Iterable[str]:
    """Yields the texts for the trainer: escaped, and split where the trainer would drop them."""
    for text in texts:
        encode_utf8(text)
        for part in escape(text).split(_TRAINER_MARK):
            for start in range(0, len(part), _SENTENCE_CHARACTERS):
                sentence = part[start : start + _SENTENCE_CHARACTERS]
                if sentence.strip(_NO_CONTENT):
                    yield sentence


def _train(sentences: list[str], vocab_size: int, options: Mapping[str, Any]) -> bytes:
    """Returns the bytes of a model, larger than `vocab_size` if the alphabet needs it."""
    model = io.BytesIO()
    try:
        # File names and numbers of threads would become part of the bytes, so they aren't set.
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
            pad_id=PAD_ID,
            pad_piece=PAD,
            eos_id=EOS_ID,
            eos_piece=EOS,
            # No text is encoded as the unknown piece, but a model can generate it.
            unk_surface="\ufffd",
            bos_id=-1,
            minloglevel=2,
            **options,
        )
    except RuntimeError as error:
        # "... smaller than required_chars. 100 vs 286. ..."
        required = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
        if not required:
            raise VocabularyError(
                f"SentencePiece can't learn {vocab_size} tokens from these {len(sentences)} "
                f"texts: {' '.join(str(error).split())}"
            ) from error
        return _train(sentences, int(required[1]), options)
    return model.getvalue()


def _special_pieces(reserved_tokens: Sequence[str]) -> dict[str, Any]:
    """Returns the trainer's options for reserved tokens and the unknown piece after them."""
    reserved = _check_reserved_tokens(reserved_tokens)
    unknown = _UNKNOWN
    while unknown in reserved:
        unknown = f"<{unknown}>"
    # The trainer gives the reserved tokens the lowest free ids.
    unknown_id = NUM_RESERVED_TOKENS + len(reserved)
    return {"user_defined_symbols": reserved, "unk_id": unknown_id, "unk_piece": unknown}


def _check_reserved_tokens(tokens: Sequence[str]) -> list[str]:
    reserved = [token for token in tokens if token not in (PAD, EOS)]
    for token in reserved:
        problem = ""
        if not token:
            problem = "is empty"
        elif token.isspace():
            problem = "is white space"
        elif any((c.isspace() and c != " ") or c in (SPACE_MARK, ESCAPE, "\0") for c in token):
            problem = "contains white space other than spaces, U+2581, U+001A or NUL"
        elif _BYTE_PIECE.fullmatch(token):
            problem = "is the name of a piece in every SentencePiece vocabulary"
        elif reserved.count(token) > 1:
            problem = "appears twice"
        if problem:
            raise VocabularyError(
                f"reserved token {token!r} {problem}; choose another in additional_reserved_tokens"
            )
        encode_utf8(token)
    return [token.replace(" ", SPACE_MARK) for token in reserved]
