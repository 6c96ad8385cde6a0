"""t2t-inspect --answers: a diagnosis as text, one table for each question, and as a picture."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from t2tlite import buckets, console
from t2tlite.bulk.answers import read_answers
from t2tlite.bulk.diagnosis import (
    ANSWER,
    TOKEN,
    Change,
    Comparison,
    Diagnosis,
    Measures,
    Unit,
    diagnose,
    visible,
)
from t2tlite.bulk.diagnosis_picture import draw
from t2tlite.bulk.rarity import rarity_of, training_inputs
from t2tlite.problem import Problem

# Symbols of an example before a change, and from there on.
_BEFORE, _AFTER = 2, 4
# Characters of a text in a table.
_MOST_CHARACTERS = 40
# Edits of a wrong answer that are counted together from here on.
_MANY_EDITS = 3


def inspect_answers(
    path: str | os.PathLike[str],
    reference: str = "",
    source: str = "",
    problem: Problem | None = None,
    data_dir: str = "",
    shown: int = 5,
) -> Path:
    """Prints where the answers of a file are wrong, and draws it to PATH.png.

    Args:
      path, reference, source: as for `read_answers`.
      problem, data_dir: the training data, in which parts of the inputs are counted; None: they are
        counted in the inputs themselves.
      shown: changes of each kind, and wrong answers, to print.

    Returns:
      The path of the picture.

    Raises:
      DataError: a file or the training data are missing, or don't belong together.
      OutputError: the picture can't be written.
    """
    file = read_answers(path, reference, source)
    rarity = None
    if file.source:
        texts: Iterable[str] = (line.source for line in file.lines)
        where = file.source.name
        if problem:
            texts, where = training_inputs(problem, data_dir), "the training data"
        rarity = rarity_of(texts, where)
    found = diagnose(file, rarity)
    print(buckets.with_urls(report(found, shown)), flush=True)
    picture = draw(found)
    print(buckets.with_urls(f"\npicture: {picture}"))
    return picture


def report(found: Diagnosis, shown: int = 5) -> str:
    """Returns a diagnosis as text.

    Args:
      found: what `diagnose` returned.
      shown: changes of each kind, and wrong answers.
    """
    parts = [_head(found), _wrong(found)]
    tables = [
        (f"length of {found.length_of}", found.by_length),
        (_rarity_title(found), found.by_rarity),
        ("score of the answer", found.by_score),
        ("best of the first n answers", found.n_best),
    ]
    parts += [_measures(title, rows, found) for title, rows in tables if rows]
    parts += _changes(found, shown)
    parts += [_surest(found, shown)]
    return "\n\n".join(filter(None, parts))


def _head(found: Diagnosis) -> str:
    file, overall = found.file, found.overall
    names = ", ".join(path.name for path in file.references)
    answers = "answer" if overall.lines == 1 else "answers"
    lines = [f"{file.path}: {overall.lines:,} {answers}, compared with {names}"]
    if file.left_out:
        lines.append(f"the last {file.left_out:,} lines of the references have no answer")
    exact = overall.lines - overall.wrong
    first = ["exact match", _percent(exact, overall.lines), f"{exact:,} of {overall.lines:,}"]
    rows = []
    unit = found.unit
    if unit is not ANSWER:
        kinds = Counter(map(_kind, found.changes.elements()))
        shown = ", ".join(f"{kinds[kind]:,} {kind}" for kind in ("substituted", "missing", "added"))
        of = f"of {found.symbols.total():,} {unit.name}s {shown}"
        rows.append([f"{unit.name} error rate", f"{overall.error_rate:.2f} %", of])
    if overall.chrf is not None:
        rows.append(["chrF", f"{overall.chrf:.2f}", ""])
    lines += console.aligned(dict(zip(first, ["left", "right", "left"], strict=True)), rows)
    if unit is TOKEN:
        lines.append("tokens are separated by white space")
    if found.is_free:
        lines.append(
            "hardly any answer equals its reference: compare models by chrF and BLEU, as t2t-bleu "
            "prints them, not by exact match"
        )
    return "\n".join(lines)


def _wrong(found: Diagnosis) -> str:
    """Returns how the wrong answers differ."""
    wrong = [one for one in found.judged if not one.best.right]
    counts: dict[str, int] = {}
    if found.unit is not ANSWER:
        edits = Counter(min(one.best.distance, _MANY_EDITS) for one in wrong)
        name = found.unit.name
        for number, text in {1: f"1 {name}", 2: f"2 {name}s", 3: f"3 {name}s or more"}.items():
            counts[f"by {text}"] = edits[number]
        lengths = Counter(_excess(one.best, found.unit) for one in wrong)
        for side, text in {-1: "too short", 0: "as long as the reference", 1: "too long"}.items():
            counts[text] = lengths[side]
        counts["by white space alone"] = edits[0]
    counts["blank"] = sum(not one.best.answer.strip() for one in wrong)
    copied = (one.best.answer == one.line.source != "" for one in wrong)
    counts["equal to the input"] = sum(copied)
    rare = ("by white space alone", "blank", "equal to the input")
    rows = [
        [text, f"{count:,}", _percent(count, len(wrong))]
        for text, count in counts.items()
        if count or text not in rare
    ]
    if not wrong or not rows:
        return ""
    lines = console.aligned(
        {"wrong answers": "left", f"{len(wrong):,}": "right", "": "right"}, rows
    )
    answer, times = Counter(one.best.answer for one in found.judged).most_common(1)[0]
    right = sum(answer in one.line.references for one in found.judged)
    if answer.strip() and found.unit is not ANSWER and times > max(2 * right, 2):
        lines.append(f"{times:,} lines have the same answer: {_cut(answer)}")
    return "\n".join(lines)


def _excess(one: Comparison, unit: Unit) -> int:
    """Returns 1 for an answer that is too long, -1 for one that is too short, 0 for others."""
    symbols = len(unit.split(one.answer))
    return (symbols > one.symbols) - (symbols < one.symbols)


def _rarity_title(found: Diagnosis) -> str:
    if found.rarity is None:
        return ""
    return f"occurrences of the rarest {found.rarity.unit} of the input in {found.rarity.where}"


def _measures(title: str, rows: Sequence[Measures], found: Diagnosis) -> str:
    names = {"": "left", "lines": "right"}
    columns = [[row.name for row in rows], [f"{row.lines:,}" for row in rows]]
    if not found.is_free:
        names["wrong"] = "right"
        columns.append([_percent(row.wrong, row.lines) for row in rows])
    if found.unit is not ANSWER:
        names[f"{found.unit.name} error rate"] = "right"
        columns.append([f"{row.error_rate:.2f} %" for row in rows])
    if found.is_free:
        names["chrF"] = "right"
        columns.append([f"{row.chrf:.2f}" for row in rows])
    return "\n".join([f"{title}:", *console.aligned(names, list(zip(*columns, strict=True)))])


def _changes(found: Diagnosis, shown: int) -> Iterator[str]:
    """Yields tables of the commonest substitutions, missing and added symbols."""
    for kind, sides in {
        "substituted": ["right", "answered"],
        "missing": ["right"],
        "added": ["answered"],
    }.items():
        chosen = [one for one in found.changes.most_common() if _kind(one[0]) == kind][:shown]
        if not chosen:
            continue
        names = dict.fromkeys(sides, "left") | {"times": "right"}
        if kind != "added":
            names |= {"of": "right"}
        names |= {"example": "left"}
        rows = []
        for change, count in chosen:
            row = [visible(symbol) for symbol in change if symbol is not None]
            row.append(f"{count:,}")
            if change[0] is not None:
                row.append(f"{found.symbols[change[0]]:,}")
            rows.append([*row, _example(found, change)])
        title = f"commonest {found.unit.name}s that are {kind}:"
        yield "\n".join([title, *console.aligned(names, rows)])


def _kind(change: Change) -> str:
    right, answered = change
    return "added" if right is None else "missing" if answered is None else "substituted"


def _example(found: Diagnosis, change: Change) -> str:
    """Returns where the change is, in the answer with the fewest others."""
    with_it = (one for one in found.judged if change in one.changes)
    one = min(with_it, key=lambda one: len(one.changes))
    place = f"line {one.line.number:,}"
    if found.unit is ANSWER:
        return f"{place}: {_cut(one.line.source)}" if one.line.source else place
    texts = one.best.reference, one.best.answer
    right, given = (list(found.unit.split(text)) for text in texts)
    pairs = enumerate(zip(right, given, strict=False))
    first = next((i for i, (a, b) in pairs if a != b), min(len(right), len(given)))
    places = [
        symbols.index(symbol, first)
        for symbols, symbol in zip((right, given), change, strict=True)
        if symbol is not None and symbol in symbols[first:]
    ]
    centre = min(places, default=first)
    return f"{place}: {_window(given, centre, found)}  for  {_window(right, centre, found)}"


def _window(symbols: Sequence[str], centre: int, found: Diagnosis) -> str:
    """Returns the symbols around a place, which may be after the last one."""
    start, end = max(min(centre, len(symbols)) - _BEFORE, 0), centre + _AFTER
    text = (" " if found.unit is TOKEN else "").join(symbols[start:end])
    return f"{'...' * (start > 0)}{_printable(text)}{'...' * (end < len(symbols))}" or "(blank)"


def _surest(found: Diagnosis, shown: int) -> str:
    """Returns the wrong answers with the highest scores."""
    wrong = [one for one in found.judged if one.line.scores and not one.best.right]
    wrong.sort(key=lambda one: -one.line.scores[0])
    rows = [
        [
            *(f"{one.line.scores[0]:.3f}", f"{one.line.number:,}", _cut(one.line.source)),
            *(_cut(one.best.answer), _cut(one.best.reference)),
        ]
        for one in wrong[:shown]
    ]
    if not rows or found.is_free:
        return ""
    names = ["score", "line", "input", "answered", "right"]
    sides = dict(zip(names, ["right", "right", "left", "left", "left"], strict=True))
    title = "wrong answers with the highest scores; check whether the references are right:"
    return "\n".join([title, *console.aligned(sides, rows)])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.2f} %"


def _cut(text: str) -> str:
    text = _printable(text)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 3]}..."


def _printable(text: Iterable[str]) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
