"""What a person sees of training: panel, live line, tables, events, eval.jsonl."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite import progress
from t2tlite.errors import DataError
from t2tlite.files import atomic
from t2tlite.run.metrics import lower_is_better

log = logging.getLogger(__name__)

EVALUATIONS = "eval.jsonl"
# Steps between TensorBoard's points.
EVENT_STEPS = 100
# Seconds between a log's lines.
LOG_SECONDS = 30.0
# Most rows of the table of evaluations: what fits on a screen beside the rest.
EVALUATION_ROWS = 12


def panel(title: str, rows: Mapping[str, str]) -> None:
    """Shows names and values: a box on a terminal, lines in a log."""
    if not progress.on_terminal():
        for name, value in rows.items():
            log.info("%-12s %s", name, value)
        return
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(f"[bold]{name}", value)
    progress.console().print(Panel(table, title=title, expand=False))


def table(
    title: str, columns: Mapping[str, str], rows: Sequence[Sequence[str]], note: str = ""
) -> None:
    """Shows rows of cells: a table on a terminal, aligned lines in a log.

    Args:
      title: stands above.
      columns: "left" or "right", where the cells stand, by the column's name.
      rows: a cell for each column.
      note: stands below.
    """
    if not progress.on_terminal():
        for line in (title, *aligned(columns, rows), note):
            if line:
                log.info("%s", line)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for i, (name, side) in enumerate(columns.items()):
        # A long name breaks at its underscores, a number never.
        width = max((len(row[i]) for row in rows), default=0) if side == "right" else None
        header = name.replace("_", " ")
        shown.add_column(header, justify=side, overflow="fold", min_width=width)  # type: ignore[arg-type]
    for row in rows:
        # Not as markup: a name may have brackets.
        shown.add_row(*map(Text, row))
    # Not as the table's own, which would be as narrow as the table.
    progress.console().print(Text(title, style="bold"), shown, *([Text(note)] if note else []))


def aligned(columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a table of plain text, its header first; as for `table`."""
    lines = [list(columns), *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    left = [side == "left" for side in columns.values()]
    return [
        "  ".join(
            cell.ljust(width) if first else cell.rjust(width)
            for cell, width, first in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in lines
    ]


class LiveLine:
    """Step, loss, rate and time left: a bar on a terminal, lines in a log.

    Args:
      step: where the run starts.
      train_steps: where it ends.
    """

    def __init__(self, step: int, train_steps: int):
        self.train_steps = train_steps
        self._last_log = time.monotonic()
        self._bar: Any = None
        if progress.on_terminal():
            from rich import progress as rich_progress

            self._bar = rich_progress.Progress(
                rich_progress.BarColumn(bar_width=24),
                rich_progress.TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
                rich_progress.TextColumn("{task.description}"),
                rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
                console=progress.console(),
            )
            self._task = self._bar.add_task("starting", total=train_steps, completed=step)
            self._bar.start()

    def update(self, step: int, values: Mapping[str, float], force: bool = False) -> None:
        """Shows loss, tokens/s and learning rate of the last steps."""
        padded = f"{values['padded_share']:.0%} padding"
        # Not known where several devices take their parts of a batch.
        share = values.get("data_wait_share")
        waited = "" if share is None else f"  {share:.0%} waiting for data"
        shown = (
            f"loss {values['loss']:.3f}  {values['tokens_per_second']:,.0f} tokens/s  "
            f"lr {values['learning_rate']:.2e}  {padded}{waited}"
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=shown)
            return
        now = time.monotonic()
        if force or now - self._last_log >= LOG_SECONDS:
            self._last_log = now
            left = (self.train_steps - step) / max(values["steps_per_second"], 1e-9)
            log.info("step %d/%d  %s  %s left", step, self.train_steps, shown, duration(left))

    def say(self, line: str) -> None:
        """Prints a line that stays, above the bar."""
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            log.info("%s", line)

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.stop()


def duration(seconds: float) -> str:
    """Returns a duration as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


class Events:
    """TensorBoard events: training in output_dir, evaluation in output_dir/eval, as T2T."""

    def __init__(self, output_dir: str | Path, problem: str):
        import tensorflow as tf

        self._tf = tf
        self._writers = {
            "train": tf.summary.create_file_writer(str(output_dir)),
            "eval": tf.summary.create_file_writer(str(Path(output_dir) / "eval")),
        }
        self._problem = problem

    def train(self, step: int, values: Mapping[str, float]) -> None:
        """Writes training scalars."""
        self._write("train", step, values)

    def evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes evaluation scalars under T2T's names, `metrics-PROBLEM/NAME`."""
        named = {
            name if name == "loss" else f"metrics-{self._problem}/{name}": value
            for name, value in metrics.items()
        }
        self._write("eval", step, named)

    def _write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        with self._writers[kind].as_default():
            for name, value in values.items():
                self._tf.summary.scalar(name, value, step=step)
        self._writers[kind].flush()


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


def evaluation_table(
    rows: Sequence[Mapping[str, Any]], metric: str = "loss", minimize: bool = True
) -> None:
    """Shows the evaluations of a run, the best one marked; nothing if there are none.

    Args:
      rows: from `read_evaluations`.
      metric: what tells the best one; a name of the rows, or T2T's metrics-PROBLEM/NAME.
      minimize: whether lower is better.
    """
    if not rows:
        return
    metric = metric.rsplit("/", 1)[-1]
    best = best_row(rows, metric, minimize)
    kept = _thinned(len(rows), best)
    names = list(dict.fromkeys(name for row in rows for name in row if name != "step"))
    left_out = len(rows) - len(kept)
    table(
        "evaluations" if best is None else f"evaluations, the best by {metric} marked",
        {"step": "right", **{name: "right" for name in names}, "": "left"},
        [
            [
                f"{rows[i]['step']:,}",
                *(f"{rows[i][name]:.4f}" if name in rows[i] else "-" for name in names),
                "best" if i == best else "",
            ]
            for i in kept
        ],
        f"{left_out} of {len(rows)} left out; all are in {EVALUATIONS}" if left_out else "",
    )


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


def _thinned(count: int, best: int | None) -> list[int]:
    """Indices of at most EVALUATION_ROWS rows: the first, the last, the best, others evenly."""
    if count <= EVALUATION_ROWS:
        return list(range(count))
    # The best may fall between the even ones.
    even = EVALUATION_ROWS - 1
    kept = {round(i * (count - 1) / (even - 1)) for i in range(even)}
    return sorted(kept if best is None else kept | {best})
