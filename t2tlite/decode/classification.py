"""How right a classifier's answers are: accuracy, confusion matrix, precision and recall."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from t2tlite import console
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.files import best_answers
from t2tlite.errors import DataError
from t2tlite.sources.text_lines import read_lines

# More labels make a matrix that nobody reads: then the commonest confusions are listed.
MATRIX_LABELS = 20


def answers_report(
    answers: str | os.PathLike[str], reference: str, how: DecodeHParams, labels: Sequence[str]
) -> str:
    """Returns tables that compare a classifier's decoded file with the right labels.

    Args:
      answers: the decoded file, of which each line's best answer counts. Blank ones, those to blank
        lines, don't.
      reference: a file of right labels, a line each; of several, joined by commas, any is right.
        They may have more lines than num_samples asks for.
      how: it was decoded so.
      labels: all that there are.

    Raises:
      DataError: a file is missing, too short or empty, or has a line that is no label.
    """
    ours = best_answers(answers, how)
    paths = reference.split(",")
    references = [read_lines(path, how.delimiter)[: len(ours)] for path in paths]
    pairs = []
    for number, answer in enumerate(ours):
        if not answer:
            continue
        right = [lines[number].strip() if number < len(lines) else "" for lines in references]
        wrong = [(path, one) for path, one in zip(paths, right, strict=True) if one not in labels]
        if wrong:
            known = ", ".join(map(repr, labels[:10])) + (", ..." if len(labels) > 10 else "")
            raise DataError(
                f"{wrong[0][0]}, line {number + 1}: {wrong[0][1]!r} is no class label; expected "
                f"one of {known}"
            )
        pairs.append((answer if answer in right else right[0], answer))
    if not pairs:
        raise DataError(f"{answers} has no answers to compare; decode lines that aren't blank")
    return report(pairs, labels)


def report(pairs: Sequence[tuple[str, str]], labels: Sequence[str]) -> str:
    """Returns accuracy, confusion matrix, and precision, recall and F1 of each label, as text.

    Args:
      pairs: right label and answer of each example.
      labels: in the order in which to show them. Those that no pair has don't appear; where nothing
        has a label, or nothing was given it, what can't be divided is "-" and counts as 0 in the
        mean.
    """
    counts = Counter(pairs)
    right, given = Counter(one for one, _ in pairs), Counter(one for _, one in pairs)
    labels = [label for label in labels if right[label] or given[label]]
    hits = sum(counts[label, label] for label in labels)
    columns = ["precision", "recall", "F1"]
    rows, sums = [], [0.0, 0.0, 0.0]
    for label in labels:
        hit = counts[label, label]
        shares = [(hit, given[label]), (hit, right[label]), (2 * hit, given[label] + right[label])]
        rows.append([label, *map(_percent, shares), str(right[label])])
        sums = [one + 100 * a / max(b, 1) for one, (a, b) in zip(sums, shares, strict=True)]
    rows.append(["mean", *(f"{one / len(labels):.2f}" for one in sums), str(len(pairs))])
    sides = {"label": "left", **dict.fromkeys([*columns, "lines"], "right")}
    return "\n".join(
        [
            f"accuracy = {_percent((hits, len(pairs)))} % of {len(pairs)} lines",
            *_confusions(counts, labels),
            *console.aligned(sides, rows),
        ]
    )


def _percent(share: tuple[int, int]) -> str:
    part, whole = share
    return f"{100 * part / whole:.2f}" if whole else "-"


def _confusions(counts: Counter[tuple[str, str]], labels: Sequence[str]) -> list[str]:
    """The confusion matrix; of many labels, the pairs that are confused most."""
    if len(labels) <= MATRIX_LABELS:
        sides = {"right \\ answer": "left", **dict.fromkeys(labels, "right")}
        return console.aligned(
            sides, [[one, *(str(counts[one, other]) for other in labels)] for one in labels]
        )
    wrong = [(pair, count) for pair, count in counts.most_common() if pair[0] != pair[1]]
    sides = {"right": "left", "answer": "left", "lines": "right"}
    return console.aligned(sides, [[*pair, str(count)] for pair, count in wrong[:MATRIX_LABELS]])
