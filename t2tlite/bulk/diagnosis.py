"""Where answers are wrong: by length, rarity and score, in which symbols, and what n answers hold.

`diagnose` compares, `diagnosis_report` writes the result as text and `diagnosis_picture` draws it.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from t2tlite import console
from t2tlite.bulk.answers import AnsweredFile, AnsweredLine
from t2tlite.bulk.rarity import Rarity, are_single
from t2tlite.decode.references import columns_of
from t2tlite.metrics import edit_distance, edits

# Where fewer answers than this are right, there are many right ways to say it: chrF is shown, too.
FREE_TEXT = 0.1
# Symbols of a text whose edits are listed; the time grows with the square.
MOST_SYMBOLS = 2000
# Groups of lengths and scores, of about as many lines each.
_GROUPS = 6

Change = tuple[str | None, str | None]


class Unit(NamedTuple):
    """What the edits of an answer are counted in.

    Attributes:
      name: for a report.
      split: returns the symbols of a text.
    """

    name: str
    split: Callable[[str], Sequence[str]]


TOKEN = Unit("token", str.split)
CHARACTER = Unit("character", list)
# Labels: few different ones, each a whole.
ANSWER = Unit("answer", lambda text: [text])


class Comparison(NamedTuple):
    """An answer and the reference from which it differs least.

    Attributes:
      answer, reference: the texts.
      right: whether the answer equals one of the references.
      distance: the fewest edits between them.
      symbols: of the reference.
    """

    answer: str
    reference: str
    right: bool
    distance: int
    symbols: int

    @property
    def rate(self) -> float:
        """Edits per symbol of the reference."""
        return self.distance / max(self.symbols, 1)


class Judged(NamedTuple):
    """A line with its answers compared.

    Attributes:
      line: the line.
      all: its answers, best first.
      changes: the edits of the first answer, as `metrics.edits` returns them.
    """

    line: AnsweredLine
    all: Sequence[Comparison]
    changes: Sequence[Change]

    @property
    def best(self) -> Comparison:
        """The answer that counts."""
        return self.all[0]


@dataclass(frozen=True)
class Measures:
    """How good some answers are.

    Attributes:
      name: of the group of lines.
      lines: their number.
      wrong: of them.
      error_rate: the fewest edits, in percent of the symbols of the references.
      chrf: of the group, from 0 to 100; None: not computed.
    """

    name: str
    lines: int
    wrong: int
    error_rate: float
    chrf: float | None


@dataclass(frozen=True)
class Diagnosis:
    """What is known about the answers of a file.

    Attributes:
      file: what was read.
      judged: its lines, compared.
      unit: of the edits.
      is_free: whether hardly any answer equals its reference.
      overall: of all lines.
      by_length: by symbols of the input, or of the reference where there is no input.
      length_of: what the length is of, such as "the input, in tokens".
      by_rarity: by occurrences of the rarest part of the input; empty if there are no inputs.
      rarity: what was counted; None as above.
      by_score: from the lowest score to the highest; empty if no scores were written.
      n_best: for the first 1, 2, 4, ... answers of each line, what the best of them would give.
      changes: how often each edit is in the answers.
      symbols: how often each symbol is in the references that were compared.
    """

    file: AnsweredFile
    judged: Sequence[Judged]
    unit: Unit
    is_free: bool
    overall: Measures
    by_length: Sequence[Measures]
    length_of: str
    by_rarity: Sequence[Measures]
    rarity: Rarity | None
    by_score: Sequence[Measures]
    n_best: Sequence[Measures]
    changes: Counter[Change]
    symbols: Counter[str]


def visible(symbol: str) -> str:
    """Returns a symbol, with quotes where it couldn't be seen."""
    return symbol if symbol.isprintable() and symbol.strip() == symbol != "" else repr(symbol)


def diagnose(file: AnsweredFile, rarity: Rarity | None = None) -> Diagnosis:
    """Compares the answers of a file with their references.

    Args:
      file: what `read_answers` returned.
      rarity: of the inputs; None: unknown.
    """
    unit = _unit([one for line in file.lines for one in line.references[:1]])
    with console.meter("comparing", "lines", len(file.lines)) as advance:
        judged = []
        for line in file.lines:
            found = [_compare(one, line, unit) for one in line.answers]
            judged.append(Judged(line, found, _changes(found[0], unit)))
            advance(1)
    best = [one.best for one in judged]
    is_free = unit is not ANSWER and sum(one.right for one in best) < FREE_TEXT * len(best)
    measure = functools.partial(_measure, with_chrf=is_free)
    length_unit = _text_unit([line.source for line in file.lines]) if file.source else unit
    of = "input" if file.source else "reference"
    scored = [one for one in judged if one.line.scores]
    return Diagnosis(
        file=file,
        judged=judged,
        unit=unit,
        is_free=is_free,
        overall=measure("all", judged),
        by_length=[
            measure(name, group) for name, group in _by_length(judged, length_unit, of == "input")
        ],
        length_of=f"the {of}, in {length_unit.name}s",
        by_rarity=[measure(*group) for group in _by_rarity(judged, rarity)] if rarity else [],
        rarity=rarity,
        by_score=[measure(*group) for group in _by_score(scored)],
        n_best=_n_best(judged, is_free),
        changes=Counter(change for one in judged for change in one.changes),
        symbols=Counter(symbol for one in best for symbol in unit.split(one.reference)),
    )


def _unit(references: Sequence[str]) -> Unit:
    """Returns what suits most of the texts."""
    if 10 * len(set(references)) <= len(references):
        return ANSWER
    return _text_unit(references)


def _text_unit(texts: Sequence[str]) -> Unit:
    return CHARACTER if are_single(texts) else TOKEN


def _compare(answer: str, line: AnsweredLine, unit: Unit) -> Comparison:
    """Compares an answer with the reference to which it has the lowest rate of edits."""
    given = unit.split(answer)
    if answer in line.references:
        return Comparison(answer, answer, True, 0, len(given))
    rights = [unit.split(reference) for reference in line.references]
    compared = [
        Comparison(answer, reference, False, edit_distance(given, right), len(right))
        for reference, right in zip(line.references, rights, strict=True)
    ]
    return min(compared, key=lambda one: one.rate)


def _changes(one: Comparison, unit: Unit) -> list[Change]:
    if one.right:
        return []
    answer, reference = (unit.split(text)[:MOST_SYMBOLS] for text in (one.answer, one.reference))
    return edits(answer, reference)


def _measure(name: str, judged: Sequence[Judged], with_chrf: bool) -> Measures:
    return _measures(name, [one.best for one in judged], [one.line for one in judged], with_chrf)


def _measures(
    name: str, compared: Sequence[Comparison], lines: Sequence[AnsweredLine], with_chrf: bool
) -> Measures:
    wrong = sum(not one.right for one in compared)
    distance, symbols = sum(one.distance for one in compared), sum(one.symbols for one in compared)
    chrf = _chrf([one.answer for one in compared], lines) if with_chrf else None
    return Measures(name, len(compared), wrong, 100 * distance / max(symbols, 1), chrf)


def _chrf(answers: Sequence[str], lines: Sequence[AnsweredLine]) -> float:
    from sacrebleu.metrics.chrf import CHRF

    columns = columns_of(line.references for line in lines)
    return float(CHRF().corpus_score(answers, columns).score)


def _by_length(
    judged: Sequence[Judged], unit: Unit, of_input: bool
) -> list[tuple[str, list[Judged]]]:
    texts = [one.line.source if of_input else one.best.reference for one in judged]
    groups = _groups(judged, [len(unit.split(text)) for text in texts])
    return [
        (f"{low:,} to {high:,}" if low < high else f"{low:,}", one) for low, high, one in groups
    ]


def _by_score(judged: Sequence[Judged]) -> list[tuple[str, list[Judged]]]:
    groups = [*_groups(judged, [one.line.scores[0] for one in judged])]
    lows = [low for low, _, _ in groups]
    # As many decimals as tell the groups apart, at most those that the file has.
    digits = next((n for n in range(3, 6) if len({f"{low:.{n}f}" for low in lows}) == len(lows)), 6)
    return [(f"{low:.{digits}f} to {high:.{digits}f}", one) for low, high, one in groups]


def _groups(
    judged: Sequence[Judged], values: Sequence[float]
) -> Iterator[tuple[float, float, list[Judged]]]:
    """Yields the lowest and the highest value, and the lines, of groups of about equal size."""
    order = sorted(range(len(values)), key=values.__getitem__)
    size, first = -(-len(order) // _GROUPS), 0
    while first < len(order):
        end = min(first + size, len(order))
        while end < len(order) and values[order[end]] == values[order[end - 1]]:
            end += 1
        if len(order) - end < size / 2:
            end = len(order)
        group = [judged[i] for i in sorted(order[first:end])]
        yield values[order[first]], values[order[end - 1]], group
        first = end


def _by_rarity(judged: Sequence[Judged], rarity: Rarity) -> list[tuple[str, list[Judged]]]:
    """Returns groups of lines, each with up to ten times the occurrences of the one before."""
    groups: dict[int, list[Judged]] = {}
    for one in judged:
        count = rarity.of(one.line.source)
        groups.setdefault(len(str(count)) if count else 0, []).append(one)
    return [
        (f"{10 ** (digits - 1):,} to {10**digits - 1:,}" if digits else "never", groups[digits])
        for digits in sorted(groups)
    ]


def _n_best(judged: Sequence[Judged], is_free: bool) -> list[Measures]:
    """Returns what the best of the first 1, 2, 4, ... answers gives; nothing if there is one."""
    most = max(len(one.all) for one in judged)
    if most == 1:
        return []
    lines = [one.line for one in judged]
    ranks = [_ranks(one, is_free) for one in judged]
    counts = [*itertools.takewhile(most.__gt__, (2**power for power in itertools.count())), most]
    return [
        _measures(
            f"{count:,}",
            [
                one.all[min(range(len(rank[:count])), key=rank.__getitem__)]
                for one, rank in zip(judged, ranks, strict=True)
            ],
            lines,
            is_free,
        )
        for count in counts
    ]


def _ranks(one: Judged, by_chrf: bool) -> list[tuple[bool, float]]:
    """Returns for each answer a value that is the lower, the better the answer is."""
    if not by_chrf:
        return [(not found.right, found.rate) for found in one.all]
    from sacrebleu.metrics.chrf import CHRF

    score, references = CHRF().sentence_score, list(one.line.references)
    return [(not found.right, -score(found.answer, references).score) for found in one.all]
