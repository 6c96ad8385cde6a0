"""Lines made ready to be decoded: their ids, in batches of like length."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from t2tlite.data.encoding import encode_batch
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.errors import DataError, Error
from t2tlite.text import EOS_ID, PAD_ID

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

log = logging.getLogger(__name__)

# Tokens of a batch, all beams and the room for the answer included.
BATCH_TOKENS = 65_536


def encode_lines(
    decoder: Decoder, lines: Sequence[str], asked: list[int], how: DecodeHParams, first: int
) -> dict[int, list[int]]:
    """Returns what the model reads of each asked line, by its index.

    Args:
      decoder: the model.
      lines: texts.
      asked: indices of those to encode.
      how: reads max_input_size.
      first: number of the first line, from 0, in its file; for messages.

    Raises:
      Error: a line can't be encoded; the message has its number.
    """
    has_inputs, limit = decoder.problem.has_inputs, how.max_input_size
    before = decoder.sides[0] if has_inputs else ""
    texts = {first + i + 1: before + lines[i] for i in asked}
    rows = _encode(decoder.encoders["inputs" if has_inputs else "targets"], texts)
    if limit > 0:
        # The end counts, as in T2T; a language model's line has none and is cut to as many.
        cut = [number for number, row in zip(texts, rows, strict=True) if len(row) >= limit]
        if cut:
            more = f" and {len(cut) - 5:,} others" if len(cut) > 5 else ""
            log.warning(
                "cut to max_input_size=%d tokens: line %s%s; -1 decodes them in full",
                limit,
                ", ".join(map(str, cut[:5])),
                more,
            )
        rows = [row[: limit - 1] for row in rows]
    if has_inputs:
        rows = [[*row, EOS_ID] for row in rows]
    # A language model goes on from the line, so no EOS. Of an empty one the first token is free,
    # too; a row of none would only fill up a batch.
    return {i: row or [PAD_ID] for i, row in zip(asked, rows, strict=True)}


def _encode(encoder: Any, texts: dict[int, str]) -> list[list[int]]:
    """Encodes lines by their number; an error tells which line it is."""
    try:
        return encode_batch(encoder, list(texts.values()))
    except Error:
        for number, text in texts.items():
            try:
                encode_batch(encoder, [text])
            except Error as error:
                raise type(error)(f"line {number}: {error}") from None
        raise


def encode_prefixes(
    decoder: Decoder, lines: Sequence[str], asked: list[int], prefixes: Sequence[str] | None
) -> dict[int, list[int]]:
    """Returns the ids that the answers to each asked line begin with, by its index.

    Raises:
      DataError: the model takes no prefixes, or there isn't one for each line.
    """
    if prefixes is None:
        return {i: [] for i in asked}
    if len(prefixes) != len(lines):
        raise DataError(
            f"there are {len(lines)} lines and {len(prefixes)} prefixes; give one for each "
            f"line, an empty one where nothing is asked"
        )
    if decoder.classifies or not decoder.problem.has_inputs:
        why = "names a class" if decoder.classifies else "goes on from the line itself"
        raise DataError(f"the model {why}, so its answers take no prefixes; leave them out")
    texts = [prefixes[i].rstrip() for i in asked]
    ids = encode_batch(decoder.encoders["targets"], [decoder.sides[1] + text for text in texts])
    begun = [one if text else [] for one, text in zip(ids, texts, strict=True)]
    return dict(zip(asked, begun, strict=True))


def grouped(
    rows: dict[int, list[int]], begun: dict[int, list[int]], how: DecodeHParams, shares: int
) -> list[list[int]]:
    """Groups lines of like length, the longest first: memory runs out at once or never.

    Args:
      rows, begun: ids of each line, and of the beginning of its answers.
      how: reads batch_size, beam_size and the lengths of answers.
      shares: devices that share the rows of a batch.
    """
    sizes = {i: len(rows[i]) + len(begun[i]) for i in rows}
    order = sorted(rows, key=lambda i: (-sizes[i], i))
    batches: list[list[int]] = []
    limit = 0
    for i in order:
        if not batches or len(batches[-1]) >= limit:
            tokens = how.beam_size * (2 * sizes[i] + max(how.extra_length, how.min_length))
            limit = how.batch_size or max(1, shares * BATCH_TOKENS // tokens)
            batches.append([])
        batches[-1].append(i)
    return batches
