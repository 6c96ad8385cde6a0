"""Quality of answers that are labels (accuracy, confusion matrix, precision, recall) or numbers."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence

from t2tlite import console
from t2tlite.bulk.files import best_answers
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.errors import DataError
from t2tlite.files import split_paths
from t2tlite.metrics import pearson
from t2tlite.sources.text_files import read_lines
from t2tlite.text import RealEncoder

# The most labels of a confusion matrix; of more labels the most frequent confusions are listed.
MATRIX_LABELS = 20


def answers_report(
    path: str | os.PathLike[str],
    reference: str | Sequence[str | os.PathLike[str]],
    decode_hparams: DecodeHParams,
    labels: Sequence[str],
) -> str:
    """Returns tables that compare a classifier's decoded file with the right labels.

    Args:
      path: the decoded file, of which each line's best answer counts; blank answers don't.
      reference: a file of right labels, a line each; of several, in a list or joined by commas, any
        is right. They may have more lines than num_samples asks for.
      decode_hparams: how the file was decoded.
      labels: of the classifier.

    Raises:
      DataError: a file is missing, too short or empty, or has a line that is no label.
    """
    answers = best_answers(path, decode_hparams)
    names = split_paths(reference) if isinstance(reference, str) else reference
    references = [read_lines(name, decode_hparams.delimiter) for name in names]
    pairs = []
    for i, answer in enumerate(answers):
        if not answer:
            continue
        right = [lines[i].strip() if i < len(lines) else "" for lines in references]
        for name, label in zip(names, right, strict=True):
            if label not in labels:
                known = ", ".join(map(repr, labels[:10])) + (", ..." if len(labels) > 10 else "")
                raise DataError(
                    f"{name}, line {i + 1}: {label!r} isn't a class label; expected one of {known}"
                )
        pairs.append((answer if answer in right else right[0], answer))
    if not pairs:
        raise DataError(f"{path} has no answers to compare; decode lines that aren't blank")
    return report(pairs, labels)


def numbers_report(
    path: str | os.PathLike[str],
    reference: str | Sequence[str | os.PathLike[str]],
    decode_hparams: DecodeHParams,
) -> str:
    """Returns how close the numbers of a decoded file are to the right ones.

    Args:
      path: the decoded file; blank answers don't count.
      reference: the file of right numbers, as many on each line.
      decode_hparams: how the file was decoded.

    Raises:
      DataError: there are several references, or one is missing, or a line has other numbers.
    """
    names = split_paths(reference) if isinstance(reference, str) else list(reference)
    if len(names) != 1:
        raise DataError(f"found {len(names)} references; give one, as a number has one right value")
    lines = read_lines(names[0], decode_hparams.delimiter)
    encoder, pairs = RealEncoder(), []
    for i, answer in enumerate(best_answers(path, decode_hparams)):
        if not answer:
            continue
        line = lines[i] if i < len(lines) else ""
        try:
            pair = encoder.encode(answer), encoder.encode(line)
        except ValueError:
            pair = encoder.encode(answer), []
        if len(pair[0]) != len(pair[1]):
            raise DataError(
                f"{names[0]}, line {i + 1}: found {line!r}; expected {len(pair[0])} numbers"
            )
        pairs.append(pair)
    if not pairs:
        raise DataError(f"{path} has no answers to compare; decode lines that aren't blank")
    errors = [(a - b) ** 2 for pair in pairs for a, b in zip(*pair, strict=True)]
    rmse = math.sqrt(sum(errors) / len(errors))
    return f"rmse = {rmse:.4f}, pearson = {pearson(pairs):.4f} of {len(pairs)} lines"


def report(pairs: Sequence[tuple[str, str]], labels: Sequence[str]) -> str:
    """Returns accuracy, confusion matrix, and precision, recall and F1 of each label, as text.

    A precision or recall with a zero denominator is shown as "-" and counts as 0 in the mean.

    Args:
      pairs: right label and answer of each example.
      labels: in the order of the tables; those that occur in no pair are left out.
    """
    counts = Counter(pairs)
    right, given = Counter(label for label, _ in pairs), Counter(answer for _, answer in pairs)
    labels = [label for label in labels if right[label] or given[label]]
    columns = ["precision", "recall", "F1"]
    rows, sums = [], [0.0, 0.0, 0.0]
    for label in labels:
        hits, total = counts[label, label], given[label] + right[label]
        ratios = [(hits, given[label]), (hits, right[label]), (2 * hits, total)]
        rows.append([label, *(_percent(*ratio) for ratio in ratios), str(right[label])])
        sums = [sum_ + 100 * a / max(b, 1) for sum_, (a, b) in zip(sums, ratios, strict=True)]
    rows.append(["mean", *(f"{sum_ / len(labels):.2f}" for sum_ in sums), str(len(pairs))])
    sides = {"label": "left", **dict.fromkeys([*columns, "lines"], "right")}
    accuracy = _percent(sum(counts[label, label] for label in labels), len(pairs))
    lines = [f"accuracy = {accuracy} % of {len(pairs)} lines"]
    return "\n".join([*lines, *_confusions(counts, labels), *console.aligned(sides, rows)])


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"


def _confusions(counts: Counter[tuple[str, str]], labels: Sequence[str]) -> list[str]:
    """Returns the confusion matrix; of many labels, the most frequent confusions."""
    if len(labels) <= MATRIX_LABELS:
        sides = {"right \\ answer": "left", **dict.fromkeys(labels, "right")}
        rows = [[label, *(str(counts[label, answer]) for answer in labels)] for label in labels]
        return console.aligned(sides, rows)
    wrong = [(pair, count) for pair, count in counts.most_common() if pair[0] != pair[1]]
    sides = {"right": "left", "answer": "left", "lines": "right"}
    return console.aligned(sides, [[*pair, str(count)] for pair, count in wrong[:MATRIX_LABELS]])
