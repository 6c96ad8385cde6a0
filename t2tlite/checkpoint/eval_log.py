"""`eval.jsonl`: the log of a run's evaluations, and which of them is the best."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite.errors import DataError
from t2tlite.files import atomic
from t2tlite.metrics import lower_is_better

EVALUATIONS = "eval.jsonl"


def read_evaluations(output_dir: str | Path) -> list[dict[str, Any]]:
    """Reads eval.jsonl, oldest first; a last line cut off by a kill is left out."""
    path = Path(output_dir) / EVALUATIONS
    rows = []
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines):
        try:
            rows.append(json.loads(line))
        except ValueError:
            if number < len(lines) - 1:
                raise DataError(f"{path}, line {number + 1} isn't JSON; delete the line") from None
    return rows


def write_evaluations(output_dir: str | Path, rows: list[dict[str, Any]]) -> None:
    """Writes eval.jsonl, whole or not at all."""
    with atomic(Path(output_dir) / EVALUATIONS, "w") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def best_row(rows: Sequence[Mapping[str, Any]], metric: str, minimize: bool) -> int | None:
    """Returns the index of the first row with the best value; None where none has a finite one.

    Args:
      rows: from `read_evaluations`.
      metric: a name of the rows, or T2T's metrics-PROBLEM/NAME.
      minimize: whether lower is better.
    """
    sign = 1.0 if minimize else -1.0
    name = metric.rsplit("/", 1)[-1]
    values = [sign * row.get(name, math.nan) for row in rows]
    finite = [i for i, value in enumerate(values) if math.isfinite(value)]
    return min(finite, key=values.__getitem__, default=None)


def best_steps(output_dir: str | Path, steps: Sequence[int], metric: str) -> list[int]:
    """Returns those of the steps that were evaluated, by a metric, the best first.

    Raises:
      DataError: none was evaluated, or not by that metric, or none has a finite value.
    """
    rows = [row for row in read_evaluations(output_dir) if row["step"] in steps]
    name = metric.rsplit("/", 1)[-1]
    if not any(name in row for row in rows):
        known = ", ".join(sorted({key for row in rows for key in row} - {"step"}))
        raise DataError(
            f"--metric={metric} is not one of those in {Path(output_dir) / EVALUATIONS} for the "
            f"checkpoints that are there: {known or 'none was evaluated'}"
        )
    sign = 1.0 if lower_is_better(name) else -1.0
    values = {row["step"]: sign * row.get(name, math.nan) for row in rows}
    finite = [step for step, value in values.items() if math.isfinite(value)]
    if not finite:
        raise DataError(f"--metric={metric}: no checkpoint has a finite one; choose another")
    return sorted(finite, key=values.__getitem__)
