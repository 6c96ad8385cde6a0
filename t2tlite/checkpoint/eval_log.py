"""eval.jsonl, the log of a run's evaluations, and which of them is the best."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite.errors import DataError
from t2tlite.files import atomic
from t2tlite.metrics import lower_is_better, raw_metric, strip_problem

EVALUATIONS = "eval.jsonl"


def read_evaluations(output_dir: str | Path) -> list[dict[str, Any]]:
    """Reads eval.jsonl, oldest first; a last line that a kill cut off is skipped.

    Returns:
      A dict for each evaluation: "step", and the metrics by name. A metric that wasn't finite when
      it was written is NaN.

    Raises:
      DataError: the file can't be read, or another line isn't an evaluation.
    """
    path = Path(output_dir) / EVALUATIONS
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"can't read {path}: {error}; delete the file to go without it") from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            # Old files have NaN and Infinity, which JSON doesn't.
            rows.append(_parse_row(line))
        except (ValueError, RecursionError):
            # Only a killed writer leaves a last line without its end.
            is_cut_off = number == len(lines) and line.startswith("{")
            if line.strip() and not is_cut_off:
                raise DataError(
                    f"{path}, line {number} isn't an evaluation, a JSON object with a step and "
                    f"numbers; delete the line"
                ) from None
    return rows


def _parse_row(line: str) -> dict[str, Any]:
    row = json.loads(line)
    if not isinstance(row, dict) or type(row.get("step")) is not int or row["step"] < 0:
        raise ValueError
    values = {name: math.nan if value is None else value for name, value in row.items()}
    for value in values.values():
        if type(value) is not float and not (type(value) is int and abs(value) < 2**63):
            raise ValueError
    return values


def write_evaluations(output_dir: str | Path, rows: list[dict[str, Any]]) -> None:
    """Writes eval.jsonl atomically; NaN and infinity, which JSON doesn't have, become null."""
    with atomic(Path(output_dir) / EVALUATIONS, "w") as file:
        for row in rows:
            finite = {n: value if math.isfinite(value) else None for n, value in row.items()}
            file.write(json.dumps(finite, allow_nan=False) + "\n")


def best_first(rows: Sequence[Mapping[str, Any]], metric: str, minimize: bool) -> list[int]:
    """Returns the indices of the rows with a finite value, the best first.

    Of equal values, as error rates of 0, that with the lower loss is the better.

    Args:
      rows: from `read_evaluations`.
      metric: a key of the rows, or T2T's metrics-PROBLEM/NAME.
      minimize: whether lower is better.
    """
    name = strip_problem(metric)
    values = {i: row[name] for i, row in enumerate(rows) if math.isfinite(row.get(name, math.nan))}
    losses = [row.get("loss", math.inf) for row in rows]
    losses = [loss if math.isfinite(loss) else math.inf for loss in losses]
    return sorted(values, key=lambda i: (values[i] if minimize else -values[i], losses[i]))


def best_weights(
    rows: Sequence[Mapping[str, Any]], metric: str, minimize: bool
) -> tuple[int, bool] | None:
    """Returns the step of the best weights, and whether they are the raw ones; None: no value.

    Where a training averages weights, the row of a step has metrics of both (`raw_metric`).

    Args:
      rows, metric, minimize: as for `best_first`.
    """
    name = strip_problem(metric)
    raw = [{n: row.get(raw_metric(n), math.nan) for n in ("loss", name)} for row in rows]
    order = best_first([*rows, *raw], metric, minimize)
    if not order:
        return None
    is_raw, place = divmod(order[0], len(rows))
    return rows[place]["step"], bool(is_raw)


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
