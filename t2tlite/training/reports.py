"""What a person sees of training: panel, live line, tables, events, eval.jsonl."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite import console
from t2tlite.checkpoint.eval_log import EVALUATIONS, best_row

log = logging.getLogger(__name__)

# Steps between TensorBoard's points.
EVENT_STEPS = 100
# Seconds between a log's lines.
LOG_SECONDS = 30.0
# Most rows of the table of evaluations: what fits on a screen beside the rest.
EVALUATION_ROWS = 12


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
        if console.on_terminal():
            from rich import progress as rich_progress

            self._bar = rich_progress.Progress(
                rich_progress.BarColumn(bar_width=24),
                rich_progress.TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
                rich_progress.TextColumn("{task.description}"),
                rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
                console=console.console(),
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
    console.table(
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


def _thinned(count: int, best: int | None) -> list[int]:
    """Indices of at most EVALUATION_ROWS rows: the first, the last, the best, others evenly."""
    if count <= EVALUATION_ROWS:
        return list(range(count))
    # The best may fall between the even ones.
    even = EVALUATION_ROWS - 1
    kept = {round(i * (count - 1) / (even - 1)) for i in range(even)}
    return sorted(kept if best is None else kept | {best})
