"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import datetime
import functools
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

# A log gets a line this often, in seconds; a terminal's bar is redrawn by itself.
LOG_SECONDS = 10.0


def on_terminal() -> bool:
    """Whether somebody watches: bars go to standard error, as results may go to standard output."""
    return sys.stderr.isatty()


@functools.cache
def console() -> Any:
    """The rich console on standard error; one, so that lines go above a bar and not through it."""
    from rich.console import Console

    return Console(stderr=True)


def output() -> Any:
    """A rich console on standard output, for results; in a pipe it breaks no line."""
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 1_000_000)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yields `items` and shows how far it has come, with the time left.

    Args:
      items: a sequence, or anything else with its `total`.
      what: what happens to them.
      total: how many items there are.
    """
    count = len(items) if isinstance(items, Sized) else total
    with meter(what, "", count) as advance:
        for item in items:
            yield item
            advance(1)


@contextlib.contextmanager
def meter(what: str, unit: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Shows progress, rate and, where the total is known, the time left.

    Args:
      what: what is done.
      unit: what is counted.
      total: how many there will be; None: nobody knows.

    Yields:
      A function to call with how many were done since the last call, and how many characters they
      had if they're text.
    """
    if on_terminal():
        with _bar(what, unit, total) as shown:
            yield shown
        return
    started = last = time.monotonic()
    done = read = 0

    def advance(count: int, characters: int = 0) -> None:
        nonlocal done, read, last
        done += count
        read += characters
        now = time.monotonic()
        if now - last > LOG_SECONDS:
            last = now
            log.info("%s: %s", what, _state(done, read, unit, total, now - started))

    yield advance


def _state(done: int, read: int, unit: str, total: int | None, seconds: float) -> str:
    of = f" of {total:,}" if total else ""
    rate = done / max(seconds, 1e-9)
    words = [f"{done:,}{of} {unit}".strip(), f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"]
    if read:
        words.append(f"{read / 1e6:,.1f} MB, {read / 1e6 / max(seconds, 1e-9):,.1f} MB/s")
    if total and done:
        words.append(f"{datetime.timedelta(seconds=round((total - done) / rate))} left")
    return ", ".join(words)


@contextlib.contextmanager
def _bar(what: str, unit: str, total: int | None) -> Iterator[Callable[..., None]]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = [BarColumn() if total else SpinnerColumn(), TextColumn("{task.description}")]
    with Progress(*columns, TimeElapsedColumn(), console=console(), transient=True) as bar:
        task = bar.add_task(what, total=total)
        started = time.monotonic()
        done = read = 0

        def advance(count: int, characters: int = 0) -> None:
            nonlocal done, read
            done += count
            read += characters
            state = _state(done, read, unit, total, time.monotonic() - started)
            bar.update(task, completed=done, description=f"{what}: {state}")

        yield advance


def panel(title: str, rows: Mapping[str, str]) -> None:
    """Shows names and values: a box on a terminal, lines in a log."""
    if not on_terminal():
        for name, value in rows.items():
            log.info("%-12s %s", name, value)
        return
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(f"[bold]{name}", value)
    console().print(Panel(table, title=title, expand=False))


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
    if not on_terminal():
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
    console().print(Text(title, style="bold"), shown, *([Text(note)] if note else []))


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
