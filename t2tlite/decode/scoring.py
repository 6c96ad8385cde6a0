"""Log-probabilities of given texts under a model."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from t2tlite import console
from t2tlite.decode.batches import encode_lines, group_by_size, target_ids
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.engine import Engine, not_finite_error
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.devices.free_memory import is_out_of_memory
from t2tlite.errors import DataError
from t2tlite.metrics import perplexity
from t2tlite.sources.text_files import File, each_line

# Most tokens of a batch, padding included: the logits of all of them are in memory together.
BATCH_TOKENS = 4096
# Lines of a file that are sorted by length together, and whose tokens are in memory together.
BLOCK_LINES = 65_536

log = logging.getLogger(__name__)

_Pair = tuple[str, str]  # input and target
Result = TypeVar("Result")


@dataclass(frozen=True)
class Score:
    """How probable a text is.

    Attributes:
      log_prob: the sum over its tokens, EOS included, in nats.
      tokens: their number.
      words: between white space, and one for the end of the text, which is predicted, too.
      bytes: of UTF-8, and one for the line break at the end.
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
        """Returns the score of both texts together."""
        sums = (getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        return Score(*sums)

    def perplexities(self) -> str:
        """Returns the perplexities of a token, a word and a byte, as text.

        The last two can be compared between vocabularies.
        """
        units = {"token": self.tokens, "word": self.words, "byte": self.bytes}
        values = {name: perplexity(-self.log_prob, count) for name, count in units.items()}
        return "perplexity " + ", ".join(f"{value:.4f} a {name}" for name, value in values.items())


def score_pairs(
    engine: Engine,
    folder: ModelFolder,
    pairs: Sequence[_Pair],
    advance: Callable[[int], None],
    decode_tag: str = "",
) -> list[Score]:
    """Returns how probable the targets are, given the inputs.

    Args:
      engine, folder: the model.
      pairs: input and target; a language model reads the targets alone.
      advance: called with the number of pairs just scored.
      decode_tag: as the decode hparam.

    Raises:
      DataError: a pair is too long for the memory, or the target of a classifier is no label.
      CheckpointError: a score is not finite.
    """
    scores = _score(engine, folder, pairs, advance, decode_tag)
    for number, score in enumerate(scores, 1):
        if isinstance(score, str):
            raise DataError(f"pair {number} {score}")
    return [score for score in scores if isinstance(score, Score)]


def _score(
    engine: Engine,
    folder: ModelFolder,
    pairs: Sequence[_Pair],
    advance: Callable[[int], None],
    decode_tag: str,
) -> list[Score | str]:
    """Returns the score of each pair; of one that is too long, what to say about it."""
    inputs, targets = zip(*pairs, strict=True) if pairs else ((), ())
    if not (folder.generates or folder.classifies):
        raise DataError(
            "the model predicts numbers, which have no probability; compare its answers with the "
            "right ones by t2t-decoder --decode_reference"
        )
    if folder.classifies:
        rows = {"targets": [[_label_id(folder, i, label)] for i, label in enumerate(targets, 1)]}
    else:
        rows = {"targets": target_ids(folder, inputs, targets, decode_tag)}
    if folder.problem.has_inputs:
        hparams = DecodeHParams(decode_tag=decode_tag)
        encoded = encode_lines(folder, dict(enumerate(inputs)), hparams)
        rows["inputs"] = [list(row.ids) for row in encoded.values()]
    sizes = [max(map(len, pair)) for pair in zip(*rows.values(), strict=True)]
    batches = group_by_size(dict(enumerate(sizes)), lambda size: max(1, BATCH_TOKENS // size))
    scores: dict[int, Score | str] = {}
    for batch in batches:
        features = {name: [ids[i] for i in batch] for name, ids in rows.items()}
        for i, result in zip(batch, in_parts(engine, features, engine.score), strict=True):
            if result is None:
                scores[i] = f"has {sizes[i]:,} tokens, more than the memory is enough for; split it"
                continue
            log_prob, tokens = result
            if not math.isfinite(log_prob):
                raise not_finite_error(engine.weights)
            text = targets[i]
            scores[i] = Score(log_prob, tokens, len(text.split()) + 1, len(text.encode()) + 1)
        advance(len(batch))
    return [scores[i] for i in range(len(pairs))]


def _label_id(folder: ModelFolder, number: int, label: str) -> int:
    try:
        return int(folder.encoders["targets"].encode(label))
    except DataError as error:
        raise DataError(f"pair {number}: {error}") from None


def in_parts(
    engine: Engine,
    features: dict[str, list[list[int]]],
    call: Callable[[dict[str, list[list[int]]]], Sequence[Result]],
) -> list[Result | None]:
    """Calls a method of an engine with rows of given targets, as often as the memory demands.

    Args:
      engine: the engine.
      features: of the rows, as for its `score`.
      call: returns something for each row.

    Returns:
      What `call` returned; None for a row that is too long for the memory by itself.
    """
    count = len(features["targets"])
    if max(len(ids) for rows in features.values() for ids in rows) <= engine.max_tokens(count):
        try:
            return [*call(features)]
        except Exception as error:
            if not is_out_of_memory(error):
                raise
    if count == 1:
        return [None]
    middle = count // 2
    halves = slice(0, middle), slice(middle, count)
    parts = [{name: rows[half] for name, rows in features.items()} for half in halves]
    return [result for part in parts for result in in_parts(engine, part, call)]


def score_file(
    engine: Engine, folder: ModelFolder, source: File, decode_tag: str = ""
) -> Iterator[Score | None]:
    """Scores a file of "input TAB target" lines, or for a language model of targets.

    White space around a text is stripped, as in T2T. All lines are checked before the first one is
    scored, which may take hours.

    Yields:
      The score of each line; None for a blank line, and for one that is too long for the memory, of
      which a warning has the number.

    Raises:
      DataError: the file is missing or isn't UTF-8, or a line doesn't have exactly one tab, or has
        no label of the classifier.
    """
    count = sum(1 for _ in _each_pair(folder, source))
    number = 0
    lines = _each_pair(folder, source)
    with console.meter("scoring", "lines", count) as advance:
        while block := list(itertools.islice(lines, BLOCK_LINES)):
            pairs = [pair for pair in block if pair]
            scores = iter(_score(engine, folder, pairs, advance, decode_tag))
            advance(len(block) - len(pairs))
            for pair in block:
                number += 1
                score = next(scores) if pair else None
                if isinstance(score, str):
                    log.warning("%s, line %d %s; it gets no score", source, number, score)
                yield score if isinstance(score, Score) else None


def _each_pair(folder: ModelFolder, source: File) -> Iterator[_Pair | None]:
    """Yields input and target of each line; None for a blank line."""
    for number, line in enumerate(each_line(source), 1):
        if not line.strip():
            yield None
            continue
        fields = line.split("\t")
        if len(fields) > 2 or (folder.problem.has_inputs and len(fields) < 2):
            raise DataError(
                f"{source}, line {number} has {len(fields) - 1} tabs; one is expected, between "
                f"input and target"
            )
        pair = fields[0].strip(), fields[-1].strip()
        if folder.classifies:
            try:
                folder.encoders["targets"].encode(pair[1])
            except DataError as error:
                raise DataError(f"{source}, line {number}: {error}") from None
        yield pair
