"""Batches of lines: token ids of the lines, grouped by length."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.data.encoding import encode_batch
from t2tlite.decode import mbr
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.engine import Answer, Engine, Row
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.devices.free_memory import is_out_of_memory
from t2tlite.errors import DataError, Error

log = logging.getLogger(__name__)

# Tokens of a batch, all beams and the room for the answer included.
BATCH_TOKENS = 65_536


class Batch(NamedTuple):
    """Indices of lines that are decoded together, and the row of each."""

    indices: list[int]
    rows: list[Row]

    def seeded(self, seeds: Sequence[int | None]) -> Batch:
        """Returns the batch with the seed of each of its lines; `seeds` are those of all lines."""
        rows = zip(self.indices, self.rows, strict=True)
        return Batch(self.indices, [row._replace(seed=seeds[i]) for i, row in rows])


def encode_lines(
    folder: ModelFolder,
    lines: Mapping[int, str],
    decode_hparams: DecodeHParams,
    first: int = 0,
) -> dict[int, Row]:
    """Returns what the model reads of each line, by index.

    Args:
      folder: the model.
      lines: texts by index.
      decode_hparams: `decode_tag` is read, and `max_input_size`: longer lines are cut to this many
        tokens and named in a warning.
      first: number of line 0 in its file, from 0; for messages.

    Raises:
      Error: a line can't be encoded, or has no tag; the message has its number.
      HParamsError: the model's answers can't be ranked by `mbr`.
    """
    mbr.check(folder, decode_hparams)
    decode_tag, max_input_size = decode_hparams.decode_tag, decode_hparams.max_input_size
    # The line of a language model is the beginning of an answer: without prefix and EOS.
    feature, ending = ("inputs", [EOS_ID]) if folder.problem.has_inputs else ("targets", [])
    begins = {
        first + i + 1: folder.tags.beginning(line, decode_tag, f"line {first + i + 1}")
        for i, line in lines.items()
    }
    texts = {number: begin.text for number, begin in begins.items()}
    encoded = _encode(folder.encoders[feature], texts)
    rows = [[*b.ids, *ids] for b, ids in zip(begins.values(), encoded, strict=True)]
    if max_input_size > 0:
        # As in T2T, EOS counts, also for a language model, whose line has none.
        if cut := [i for i, row in zip(texts, rows, strict=True) if len(row) >= max_input_size]:
            numbers = ", ".join(map(str, cut[:5]))
            numbers += f" and {len(cut) - 5:,} others" if len(cut) > 5 else ""
            message = "cut to max_input_size=%d tokens: line %s; -1 decodes them in full"
            log.warning(message, max_input_size, numbers)
        rows = [row[: max_input_size - 1] for row in rows]
    # A row without tokens would only fill the batch. A language model isn't bound to the PAD.
    triples = zip(lines, rows, begins.values(), strict=True)
    return {i: Row([*row, *ending] or [PAD_ID], b.answer_ids) for i, row, b in triples}


def target_ids(
    folder: ModelFolder, lines: Sequence[str], texts: Sequence[str], decode_tag: str = ""
) -> list[list[int]]:
    """Returns the ids of targets, as the model writes them: with tag, prefix and EOS.

    Args:
      folder: the model.
      lines: the inputs that the targets belong to; not read of a language model.
      texts: the targets.
      decode_tag: as the decode hparam.
    """
    tags = folder.tags
    prefix = folder.text_prefixes["targets"]
    if folder.problem.has_inputs:
        begins = [tags.beginning(line, decode_tag, f"line {i}") for i, line in enumerate(lines, 1)]
        heads = [begin.answer_ids for begin in begins]
    else:
        begins = [tags.beginning(text, decode_tag, f"line {i}") for i, text in enumerate(texts, 1)]
        heads = [begin.ids for begin in begins]
        texts = [begin.text for begin in begins]
    encoded = encode_batch(folder.encoders["targets"], [prefix + text for text in texts])
    return [[*head, *ids, EOS_ID] for head, ids in zip(heads, encoded, strict=True)]


def _encode(encoder: Any, texts: Mapping[int, str]) -> list[list[int]]:
    """Encodes lines by number; an error names the line."""
    try:
        return encode_batch(encoder, list(texts.values()))
    except Error:
        for number, text in texts.items():
            try:
                encode_batch(encoder, [text])
            except Error as error:
                raise type(error)(f"line {number}: {error}") from None
        raise


def add_prefixes(
    folder: ModelFolder, rows: Mapping[int, Row], prefixes: Sequence[str]
) -> dict[int, Row]:
    """Returns the rows, by index of the line, with the ids of the prefixes of all lines.

    Raises:
      DataError: the model takes no prefixes.
    """
    if not folder.generates or not folder.problem.has_inputs:
        reason = "continues the line itself" if folder.generates else "writes no text"
        raise DataError(f"the model {reason}, so its answers take no prefixes; leave them out")
    begin, encoder = folder.text_prefixes["targets"], folder.encoders["targets"]
    texts = {i: prefixes[i].rstrip() for i in rows}
    ids = encode_batch(encoder, [begin + text for text in texts.values()])
    pairs = zip(texts.items(), ids, strict=True)
    prefixed = {i: prefix if text else [] for (i, text), prefix in pairs}
    return {i: row._replace(prefix=[*row.prefix, *prefixed[i]]) for i, row in rows.items()}


def make_batches(
    rows: Mapping[int, Row], decode_hparams: DecodeHParams, row_shares: int
) -> list[Batch]:
    """Groups lines, by index, of similar length; `row_shares` devices share a batch."""
    room = max(decode_hparams.extra_length, decode_hparams.min_length)

    def most_rows(size: int) -> int:
        tokens = decode_hparams.beam_size * (2 * size + room)
        return decode_hparams.batch_size or max(1, row_shares * BATCH_TOKENS // tokens)

    sizes = {i: row.size for i, row in rows.items()}
    return [Batch(group, [rows[i] for i in group]) for group in group_by_size(sizes, most_rows)]


def group_by_size(sizes: Mapping[int, int], most_rows: Callable[[int], int]) -> list[list[int]]:
    """Groups indices, the largest sizes first, so that memory runs out at once or never.

    Args:
      sizes: tokens by index.
      most_rows: returns the most members of a group whose largest size is given.
    """
    groups: list[list[int]] = []
    limit = 0
    for i in sorted(sizes, key=lambda i: (-sizes[i], i)):
        if not groups or len(groups[-1]) >= limit:
            limit = most_rows(sizes[i])
            groups.append([])
        groups[-1].append(i)
    return groups


def search_rows(
    engine: Engine, rows: Sequence[Row], decode_hparams: DecodeHParams, seed: int | None
) -> list[list[Answer]]:
    """Searches a batch, in halves if the memory isn't enough for it.

    Returns:
      The answers to each row; none to a row that is too long for the memory by itself.
    """
    if max(row.size for row in rows) <= engine.max_tokens(len(rows), decode_hparams):
        try:
            return engine.search(rows, decode_hparams, seed)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
    if len(rows) == 1:
        return [[]]
    middle = len(rows) // 2
    return [
        answers
        for half in (rows[:middle], rows[middle:])
        for answers in search_rows(engine, half, decode_hparams, seed)
    ]


def too_long(engine: Engine, number: int, row: Row, decode_hparams: DecodeHParams) -> str:
    """Returns the message for line `number` of a file, from 1, that the memory isn't enough for."""
    most = engine.max_tokens(1, decode_hparams)
    limit = f"at most {most:,} fit" if most < row.size else "the memory isn't enough for it"
    return (
        f"line {number} has {row.size:,} tokens, and {limit}; split it, or cut lines by the decode "
        f"hparam max_input_size"
    )
