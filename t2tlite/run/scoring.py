"""How probable given answers are: the model's own loss of each pair of texts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from t2tlite import progress
from t2tlite.data.encoding import encode_batch
from t2tlite.errors import DataError
from t2tlite.run.decode_files import read_lines
from t2tlite.text import EOS_ID

if TYPE_CHECKING:
    from t2tlite.run.decoding import Decoder

# Most tokens of a batch, padding included: their logits are in memory together.
BATCH_TOKENS = 4096


@dataclass(frozen=True)
class Score:
    """How probable a text is.

    Attributes:
      log_prob: the sum over its tokens, EOS included, in nats.
      tokens: how many they are.
    """

    log_prob: float
    tokens: int

    @property
    def loss(self) -> float:
        """The mean loss of a token in nats: what T2T's --score_file writes."""
        return -self.log_prob / self.tokens


def score(decoder: Decoder, pairs: Sequence[tuple[str, str]]) -> list[Score]:
    """Returns how probable the targets are, given the inputs.

    Args:
      decoder: the model.
      pairs: input and target; a language model reads the targets alone.
    """
    rows = _encoded(decoder, pairs)
    scores: list[Score | None] = [None] * len(pairs)
    batches = _batches(rows)
    tracked = progress.track(batches, "scoring") if len(batches) > 2 else batches
    for batch in tracked:
        features = {name: decoder.padded([ids[i] for i in batch]) for name, ids in rows.items()}
        found = decoder.scorer.predict_on_batch(decoder.device.feed(features))
        for place, i in enumerate(batch):
            scores[i] = Score(-float(found["loss"][place]), int(found["tokens"][place]))
    return [one for one in scores if one is not None]


def score_file(decoder: Decoder, source: str | os.PathLike[str]) -> list[str]:
    """Scores a file of "input TAB target" lines, or for a language model of targets.

    Whitespace around a text isn't part of it, as in T2T.

    Returns:
      For each line its mean loss a token in nats, with six digits; of a blank line "".

    Raises:
      DataError: the file is missing or isn't UTF-8, or a line has no tab, or several.
    """
    lines = read_lines(source)
    pairs = {
        i: _pair(source, i + 1, line, decoder.problem.has_inputs)
        for i, line in enumerate(lines)
        if line.strip()
    }
    found = dict(zip(pairs, score(decoder, list(pairs.values())), strict=True))
    return [f"{found[i].loss:.6f}" if i in found else "" for i in range(len(lines))]


def _pair(
    source: str | os.PathLike[str], number: int, line: str, has_inputs: bool
) -> tuple[str, str]:
    fields = line.split("\t")
    if len(fields) > 2 or (has_inputs and len(fields) < 2):
        raise DataError(
            f"{source}, line {number} has {len(fields) - 1} tabs; one is expected, between input "
            f"and target"
        )
    return fields[0].strip(), fields[-1].strip()


def _encoded(decoder: Decoder, pairs: Sequence[tuple[str, str]]) -> dict[str, list[list[int]]]:
    """The ids of each pair by feature."""
    before_inputs, before_targets = decoder.sides
    targets = [before_targets + target for _, target in pairs]
    ends = [] if decoder.classifies else [EOS_ID]
    ids = encode_batch(decoder.encoders["targets"], targets)
    rows = {"targets": [[*one, *ends] for one in ids]}
    if decoder.problem.has_inputs:
        inputs = [before_inputs + text for text, _ in pairs]
        ids = encode_batch(decoder.encoders["inputs"], inputs)
        rows["inputs"] = [[*one, EOS_ID] for one in ids]
    return rows


def _batches(rows: dict[str, list[list[int]]]) -> list[list[int]]:
    """Groups pairs of like length, the longest first."""
    sizes = [max(map(len, pair)) for pair in zip(*rows.values(), strict=True)]
    batches: list[list[int]] = []
    limit = 0
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        if not batches or len(batches[-1]) >= limit:
            limit = max(1, BATCH_TOKENS // sizes[i])
            batches.append([])
        batches[-1].append(i)
    return batches
