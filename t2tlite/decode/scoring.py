"""How probable given answers are: the model's own loss of each pair of texts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from t2tlite import console
from t2tlite.data.encoding import encode_batch
from t2tlite.errors import DataError
from t2tlite.metrics import perplexity
from t2tlite.sources.text_lines import each_line
from t2tlite.text import EOS_ID

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

# Most tokens of a batch, padding included: their logits are in memory together.
BATCH_TOKENS = 4096
# Lines of a file that are sorted by length together, and whose tokens are in memory together.
BLOCK_LINES = 65_536


@dataclass(frozen=True)
class Score:
    """How probable a text is.

    Attributes:
      log_prob: the sum over its tokens, EOS included, in nats.
      tokens: how many they are.
      words: words of the text between white space, its end included, which is predicted, too.
      bytes: its UTF-8 bytes and one more, the line break at its end.
    """

    log_prob: float
    tokens: int
    words: int
    bytes: int

    @property
    def loss(self) -> float:
        """The mean loss of a token in nats: what T2T's --score_file writes."""
        return -self.log_prob / self.tokens

    def __add__(self, other: Score) -> Score:
        """The score of both texts together."""
        sums = (getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        return Score(*sums)

    def perplexities(self) -> str:
        """The perplexities of a token, a word and a byte; the last two depend on no vocabulary."""
        units = {"token": self.tokens, "word": self.words, "byte": self.bytes}
        found = {name: perplexity(-self.log_prob, count) for name, count in units.items()}
        return "perplexity " + ", ".join(f"{value:.4f} a {name}" for name, value in found.items())


def score(decoder: Decoder, pairs: Sequence[tuple[str, str]]) -> list[Score]:
    """Returns how probable the targets are, given the inputs.

    Args:
      decoder: the model.
      pairs: input and target; a language model reads the targets alone.
    """
    with console.meter("scoring", "pairs", len(pairs)) as advance:
        return _scored(decoder, pairs, advance)


def score_file(decoder: Decoder, source: str | os.PathLike[str]) -> Iterator[Score | None]:
    """Scores a file of "input TAB target" lines, or for a language model of targets.

    Whitespace around a text isn't part of it, as in T2T.

    Returns:
      An iterator over the lines' scores; None for a blank line.

    Raises:
      DataError: the file is missing or isn't UTF-8, or a line has no tab, or several, or what is no
        label of a classifier.
    """
    count = 0
    for count, line in enumerate(each_line(source), 1):
        # All of them before the first is scored, which may take hours.
        _pair(source, count, line, decoder)
    return _file_scores(decoder, source, count)


def _file_scores(
    decoder: Decoder, source: str | os.PathLike[str], count: int
) -> Iterator[Score | None]:
    lines, first = each_line(source), 1
    with console.meter("scoring", "lines", count) as advance:
        while block := list(itertools.islice(lines, BLOCK_LINES)):
            found = [
                _pair(source, number, line, decoder) for number, line in enumerate(block, first)
            ]
            pairs = [pair for pair in found if pair]
            scores = iter(_scored(decoder, pairs, advance))
            advance(len(block) - len(pairs))
            yield from (next(scores) if pair else None for pair in found)
            first += len(block)


def _scored(
    decoder: Decoder, pairs: Sequence[tuple[str, str]], advance: Callable[[int], None]
) -> list[Score]:
    rows = _encoded(decoder, pairs)
    scores: dict[int, Score] = {}
    for batch in _batches(rows):
        features = {name: decoder.padded([ids[i] for i in batch]) for name, ids in rows.items()}
        if decoder.classifies:
            features["targets"] = features["targets"][:, :1]
        found = decoder.scorer.predict_on_batch(decoder.device.feed(features))
        for place, i in enumerate(batch):
            text = pairs[i][1]
            units = len(text.split()) + 1, len(text.encode()) + 1
            scores[i] = Score(-float(found["loss"][place]), int(found["tokens"][place]), *units)
        advance(len(batch))
    return [scores[i] for i in range(len(pairs))]


def _pair(
    source: str | os.PathLike[str], number: int, line: str, decoder: Decoder
) -> tuple[str, str] | None:
    """Input and target of a line; None if it is blank."""
    if not line.strip():
        return None
    fields = line.split("\t")
    if len(fields) > 2 or (decoder.problem.has_inputs and len(fields) < 2):
        raise DataError(
            f"{source}, line {number} has {len(fields) - 1} tabs; one is expected, between input "
            f"and target"
        )
    pair = fields[0].strip(), fields[-1].strip()
    if decoder.classifies:
        try:
            decoder.encoders["targets"].encode(pair[1])
        except DataError as error:
            raise DataError(f"{source}, line {number}: {error}") from None
    return pair


def _encoded(decoder: Decoder, pairs: Sequence[tuple[str, str]]) -> dict[str, list[list[int]]]:
    """The ids of each pair by feature."""
    before_inputs, before_targets = decoder.sides
    if decoder.classifies:
        rows = {"targets": [[decoder.encoders["targets"].encode(label)] for _, label in pairs]}
    else:
        targets = [before_targets + target for _, target in pairs]
        ids = encode_batch(decoder.encoders["targets"], targets)
        rows = {"targets": [[*one, EOS_ID] for one in ids]}
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
