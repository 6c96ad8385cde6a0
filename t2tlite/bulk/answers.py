"""What t2t-decoder wrote, read back: answers with scores, beside inputs and references."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from t2tlite.errors import DataError
from t2tlite.files import split_paths
from t2tlite.sources.text_files import read_lines

# A score as `decode_file` writes it.
_SCORE = re.compile(r"-?(\d+\.\d{6}|inf)|nan")


@dataclass(frozen=True)
class AnsweredLine:
    """A line of the file that was decoded.

    Attributes:
      number: of the line, from 1.
      source: the input; "" if it isn't known.
      answers: best first, at least one.
      scores: of the answers; empty if they weren't written.
      references: the right answers without repetitions, at least one.
    """

    number: int
    source: str
    answers: Sequence[str]
    scores: Sequence[float]
    references: Sequence[str]


@dataclass(frozen=True)
class AnsweredFile:
    """A decoded file.

    Attributes:
      path: of the answers.
      references: files of right answers.
      source: the file of inputs; None if there is none.
      lines: those that aren't blank.
      left_out: further lines of the references, which weren't decoded.
    """

    path: Path
    references: Sequence[Path]
    source: Path | None
    lines: Sequence[AnsweredLine]
    left_out: int


def read_answers(
    path: str | os.PathLike[str], reference: str = "", source: str = ""
) -> AnsweredFile:
    """Reads answers, and what belongs to them.

    Whether lines hold several answers, and scores, is seen from the lines. A line that is blank in
    the answers and in all references isn't returned.

    Args:
      path: the file of answers.
      reference: files of right answers, joined by commas; "": PATH.targets, PATH.targets1 and so
        on, which `decode_dataset` writes.
      source: the file that was decoded; "": PATH.inputs, if it exists.

    Raises:
      DataError: a file is missing or too short, or nothing was answered.
    """
    path = Path(path)
    answers = read_lines(path)
    references = [Path(one) for one in split_paths(reference)] or _beside(path)
    default = path.with_name(f"{path.name}.inputs")
    inputs = Path(source) if source else default if default.is_file() else None
    columns = [read_lines(one) for one in references]
    sources = read_lines(inputs) if inputs else [""] * len(answers)
    for name, column in zip([*references, inputs], [*columns, sources], strict=True):
        if len(column) < len(answers):
            raise DataError(
                f"{path} has {len(answers):,} lines and {name} only {len(column):,}; give the file "
                f"that belongs to these answers"
            )
    rights = [list(dict.fromkeys(row)) for row in zip(*columns, strict=False)]
    lines = []
    for i, (answered, scores) in enumerate(_fields(answers, columns)):
        if any(map(str.strip, (*answered, *rights[i]))):
            lines.append(AnsweredLine(i + 1, sources[i], answered, scores, rights[i]))
    if not lines:
        raise DataError(f"{path} has no answers to compare; decode lines that aren't blank")
    return AnsweredFile(path, references, inputs, lines, len(columns[0]) - len(answers))


def _beside(path: Path) -> list[Path]:
    """Returns the files of references beside the answers."""
    first = path.with_name(f"{path.name}.targets")
    if not first.is_file():
        raise DataError(
            f"{path} has no {first.name} beside it, as t2t-decoder --data_dir writes it; give the "
            f"file of right answers as --reference"
        )
    others = (path.with_name(f"{first.name}{number}") for number in itertools.count(1))
    return [first, *itertools.takewhile(Path.is_file, others)]


def _fields(
    lines: Sequence[str], references: Sequence[Sequence[str]]
) -> list[tuple[list[str], list[float]]]:
    """Returns the answers and their scores, if any, of each line."""
    rows = [line.split("\t") for line in lines]
    filled = [row for row in rows if row != [""]]
    if filled and all(
        len(row) % 2 == 0 and all(map(_SCORE.fullmatch, row[1::2])) for row in filled
    ):
        return [(row[::2], list(map(float, row[1::2]))) for row in rows]
    if any("\t" in text for column in references for text in column):
        # Tabs belong to the texts.
        return [([line], []) for line in lines]
    return [(row, []) for row in rows]
