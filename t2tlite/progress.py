"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a log."""

from __future__ import annotations

import functools
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
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


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """Yields `items` and shows how far it has come, with the time left."""
    if not on_terminal():
        yield from _logged(items, what, "", len(items))
        return
    from rich.progress import track as rich_track

    yield from rich_track(items, what, console=console(), transient=True)


def count(items: Iterable[T], what: str, unit: str) -> Iterator[T]:
    """Yields `items`, whose number isn't known, and shows their count and rate."""
    if not on_terminal():
        yield from _logged(items, what, unit, None)
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
    with Progress(*columns, console=console(), transient=True) as bar:
        task = bar.add_task(what)
        started = time.monotonic()
        for number, item in enumerate(items):
            if number % 1024 == 0:
                rate = number / max(time.monotonic() - started, 1e-9)
                bar.update(task, description=f"{what} {number:,} {unit} ({rate:,.0f}/s)")
            yield item


def _logged(items: Iterable[T], what: str, unit: str, total: int | None) -> Iterator[T]:
    last = time.monotonic()
    for number, item in enumerate(items):
        now = time.monotonic()
        if now - last > LOG_SECONDS:
            last = now
            log.info("%s %s%s %s", what, f"{number:,}", f"/{total:,}" if total else "", unit)
        yield item
