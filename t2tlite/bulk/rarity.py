"""How often the rarest part of an input occurs in the training data."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from t2tlite import console
from t2tlite.batches.examples import each_row
from t2tlite.config import HParams
from t2tlite.mixtures.mixture import Mixture
from t2tlite.problem import Problem
from t2tlite.text.encoder import text_ids

# Inputs that are counted. Shards are shuffled, so the first ones stand for all.
MOST_INPUTS = 200_000
# Inputs with fewer different tokens are made of letters, digits or commands, all of which are
# frequent: three in a row are counted.
_FEW_TOKENS = 300
_RUN = 3


class Rarity(NamedTuple):
    """How often parts of inputs occur.

    Attributes:
      counts: by part.
      unit: what a part is, for a report: "token", "3 tokens in a row" or "3 characters in a row".
      run: symbols of a part.
      by_character: whether a symbol is a character, not a token between white space.
      where: what was counted.
    """

    counts: Counter[str]
    unit: str
    run: int
    by_character: bool
    where: str

    def of(self, text: str) -> int:
        """Returns the count of the rarest part of an input; 0 of a blank one."""
        return min((self.counts[part] for part in self._parts(text)), default=0)

    def _parts(self, text: str) -> Iterator[str]:
        return _parts(text, self.run, self.by_character)


def rarity_of(texts: Iterable[str], where: str) -> Rarity:
    """Counts the parts of inputs: tokens or, where there are few different ones, three in a row.

    Args:
      texts: inputs.
      where: what they are, for a report.
    """
    texts = list(texts)
    by_character = are_single(texts)
    singles = Counter(part for text in texts for part in _parts(text, 1, by_character))
    symbol = "character" if by_character else "token"
    if by_character or len(singles) < _FEW_TOKENS:
        counts = Counter(part for text in texts for part in _parts(text, _RUN, by_character))
        return Rarity(counts, f"{_RUN} {symbol}s in a row", _RUN, by_character, where)
    return Rarity(singles, symbol, 1, by_character, where)


def are_single(texts: Sequence[str]) -> bool:
    """Whether most texts have no white space inside, so that their symbols are characters."""
    return 2 * sum(len(text.split()) > 1 for text in texts) < len(texts)


def _parts(text: str, run: int, by_character: bool) -> Iterator[str]:
    symbols: Sequence[str] = text if by_character else text.split()
    separator = "" if by_character else " "
    for first in range(max(len(symbols) - run + 1, min(len(symbols), 1))):
        yield separator.join(symbols[first : first + run])


def training_inputs(problem: Problem, data_dir: str) -> Iterator[str]:
    """Yields inputs of the training data, at most MOST_INPUTS of each member of a mixture.

    Raises:
      DataError: there is no such data.
      VocabularyError: a vocabulary is missing or damaged.
    """
    members = problem.members.values() if isinstance(problem, Mixture) else [problem]
    for member in members:
        encoder = member.get_feature_encoders(data_dir).get("inputs")
        if encoder is None:
            continue
        shards = member.shards(data_dir, "train")
        examples = member.read_examples(shards, "train", HParams(), for_training=False)
        prefix = member.text_prefixes["inputs"]
        rows = itertools.islice(each_row(examples), MOST_INPUTS)
        total = min(len(examples.lengths), MOST_INPUTS)
        for row in console.track(rows, "reading the training data", total):
            yield str(encoder.decode(text_ids(row["inputs"]))).removeprefix(prefix)
