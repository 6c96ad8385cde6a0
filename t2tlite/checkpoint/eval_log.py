"""eval.jsonl, the log of a run's evaluations, and which of them is the best."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite.errors import DataError
from t2tlite.files import atomic
from t2tlite.metrics import lower_is_better, strip_problem

EVALUATIONS = "eval.jsonl"


def read_evaluations(output_dir: str | Path) -> list[dict[str, Any]]:
    """Reads eval.jsonl, oldest first; a last line that a kill cut off is skipped.

    Raises:
      DataError: another line isn't JSON.
    """
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
    """Writes eval.jsonl atomically."""
    with atomic(Path(output_dir) / EVALUATIONS, "w") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def best_first(rows: Sequence[Mapping[str, Any]], metric: str, minimize: bool) -> list[int]:
    """Returns the indices of the rows with a finite value, the best first.

    Args:
      rows: from `read_evaluations`.
      metric: a key of the rows, or T2T's metrics-PROBLEM/NAME.
      minimize: whether lower is better.
    """
    name = strip_problem(metric)
    values = {i: row[name] for i, row in enumerate(rows) if math.isfinite(row.get(name, math.nan))}
    return sorted(values, key=lambda i: values[i] if minimize else -values[i])


def best_steps(output_dir: str | Path, steps: Sequence[int], metric: str) -> list[int]:
    """Returns those of the steps that were evaluated by a metric, the best first.

    Raises:
      DataError: none of them was evaluated by that metric, or none has a finite value.
    """
    # The last row of a step counts.
    by_step = {row["step"]: row for row in read_evaluations(output_dir) if row["step"] in steps}
    rows = list(by_step.values())
    name = strip_problem(metric)
    if not any(name in row for row in rows):
        known = ", ".join(sorted({key for row in rows for key in row} - {"step"}))
        raise DataError(
            f"--metric={metric} is not in {Path(output_dir) / EVALUATIONS} for any checkpoint of "
            f"the folder; known metrics: {known or 'none, no checkpoint was evaluated'}"
        )
    order = best_first(rows, metric, lower_is_better(name))
    if not order:
        raise DataError(f"--metric={metric}: no checkpoint has a finite value; choose another")
    return [rows[i]["step"] for i in order]
