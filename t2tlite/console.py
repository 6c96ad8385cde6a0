"""What commands show: progress, panels and tables on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import datetime
import functools
import html
import logging
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

# A line of progress: texts, each with a rank. Where the line doesn't fit, the highest ranks are
# left out first; 0 always stays.
Parts = Sequence[tuple[str, int]]

log = logging.getLogger(__name__)

# What shows a count and a text, and what tells the text's width in characters; None: any.
_Bar = tuple[Callable[[int, str], None], Callable[[], int | None]]

# Columns of a terminal from which on a bar is long.
WIDE = 150
# Seconds between the lines of progress in a log; a bar on a terminal is redrawn continuously.
LOG_SECONDS = 10.0
# Seconds between the states of a bar in a notebook.
NOTEBOOK_SECONDS = 0.5


def on_terminal() -> bool:
    """Whether standard error, where progress is shown, is a terminal."""
    return sys.stderr.isatty()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def is_watched() -> bool:
    """Whether somebody sees bars, panels and tables: on a terminal or in a notebook."""
    return on_terminal() or in_notebook()


@functools.cache
def console() -> Any:
    """Returns the rich console on standard error; only one, so that log lines go above a bar."""
    from rich.console import Console

    return Console(stderr=True)


def output() -> Any:
    """Returns a rich console on standard output, for results; it doesn't wrap lines in a pipe."""
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 1_000_000)


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yields `total` items and shows the progress of `what` with the time left."""
    with meter(what, "", total) as advance:
        for item in items:
            yield item
            advance(1)


@contextlib.contextmanager
def meter(what: str, unit: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Shows progress, rate and, if the total is known, the time left.

    Args:
      what: description of the work.
      unit: what is counted.
      total: expected count; None if unknown.

    Yields:
      A function to call with the count since the last call and, for text, its number of characters.
    """
    start = last = time.monotonic()
    done = read = 0
    with bar(what, total) if is_watched() else contextlib.nullcontext() as show:

        def advance(count: int, characters: int = 0) -> None:
            nonlocal done, read, last
            done += count
            read += characters
            now = time.monotonic()
            if show:
                show(done, _state(what, done, read, unit, total, now - start))
            elif now - last > LOG_SECONDS:
                last = now
                parts = _state(what, done, read, unit, total, now - start)
                log.info("%s", fitted(parts, ", "))

        yield advance


def _state(
    what: str, done: int, read: int, unit: str, total: int | None, seconds: float
) -> list[tuple[str, int]]:
    of = f" of {total:,}" if total else ""
    rate = done / max(seconds, 1e-9)
    parts = [(f"{what}: {done:,}{of} {unit}".strip(), 0)]
    parts.append((f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s", 1))
    if read:
        parts.append((f"{read / 1e6:,.1f} MB", 3))
        parts.append((f"{read / 1e6 / max(seconds, 1e-9):,.1f} MB/s", 2))
    if total and done:
        parts.append((f"{datetime.timedelta(seconds=round((total - done) / rate))} left", 0))
    return parts


def fitted(parts: Parts, separator: str, width: int | None = None) -> str:
    """Joins the parts of a line of progress.

    >>> fitted([("step 3/9", 0), ("82 tokens/s", 1), ("7% padding", 2)], "  ", width=21)
    'step 3/9  82 tokens/s'

    Args:
      parts: see `Parts`.
      separator: between two parts.
      width: leaves parts out until the line has at most this many characters; None: none.
    """
    left = list(parts)
    while True:
        line = separator.join(text for text, _ in left)
        highest = max(rank for _, rank in left)
        if width is None or len(line) <= width or not highest:
            return line
        left = [part for part in left if part[1] < highest]


@contextlib.contextmanager
def bar(
    what: str, total: int | None, start: int = 0, separator: str = ", "
) -> Iterator[Callable[[int, Parts], None]]:
    """Shows a bar until the end of the block.

    Args:
      what: the first description.
      total: expected count; None if unknown.
      start: the first count.
      separator: between the parts of a description.

    Yields:
      A function to call with the count so far and the parts of the description.
    """
    shown = _notebook_bar(what, total) if in_notebook() else _terminal_bar(what, total)
    with shown as (show, width):
        show(start, what)
        yield lambda done, parts: show(done, fitted(parts, separator, width()))


@contextlib.contextmanager
def _terminal_bar(what: str, total: int | None) -> Iterator[_Bar]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    def bar_width() -> int:
        return 40 if console().width >= WIDE else 10

    def text_width() -> int:
        # The time is 0:00:00, and there is a space between two columns.
        return int(console().width) - (bar_width() if total else 1) - len("0:00:00") - 2

    columns = [
        BarColumn(bar_width()) if total else SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=console(), transient=True) as progress:
        task = progress.add_task(what, total=total)
        show = functools.partial(progress.update, task)
        yield lambda done, text: show(completed=done, description=text), text_width


@contextlib.contextmanager
def _notebook_bar(what: str, total: int | None) -> Iterator[_Bar]:
    """A bar below the cell. Rich's needs ipywidgets there, which Jupyter doesn't come with."""
    from IPython.display import display

    def content() -> dict[str, str]:
        # Without a value it moves to and fro.
        ends = f'max="{total}" value="{done}"' if total else 'value="1"' if is_done else ""
        return {
            "text/html": f"<progress {ends}></progress> {html.escape(text)}",
            "text/plain": text,
        }

    done, text, is_done = 0, what, False
    shown: Any = display(content(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
    last = time.monotonic()

    def show(new_done: int, new_text: str) -> None:
        nonlocal done, text, last
        done, text = new_done, new_text
        # Each update is a message to the browser.
        if time.monotonic() - last > NOTEBOOK_SECONDS:
            last = time.monotonic()
            shown.update(content(), raw=True)

    try:
        yield show, lambda: None
    finally:
        is_done = True
        shown.update(content(), raw=True)


def panel(title: str, rows: Mapping[str, str]) -> None:
    """Shows names and values: a box on a terminal or in a notebook, lines in a log."""
    if not is_watched():
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
    title: str,
    columns: Mapping[str, str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    spare: Sequence[str] = (),
) -> None:
    """Shows a table on a terminal or in a notebook, aligned lines in a log.

    Args:
      title: shown above.
      columns: "left" or "right", the alignment, by column name.
      rows: a cell for each column.
      note: shown below.
      spare: names of columns that are left out, first to last, until the table fits the terminal.
    """
    if not is_watched():
        for line in (title, *aligned(columns, rows), note):
            if line:
                log.info("%s", line)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = {name: max((len(row[i]) for row in rows), default=0) for i, name in enumerate(columns)}
    # Headers may wrap at underscores, numbers may not.
    widths = {name: max(width, *map(len, name.split("_"))) for name, width in cells.items()}
    left_out = []
    for name in spare:
        if name in widths and _overflows(widths):
            del widths[name]
            left_out.append(name)
    fixed = cells if _overflows(widths) else widths
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in widths:
        side = columns[name]
        width = fixed[name] if side == "right" else None
        header = name.replace("_", " ")
        shown.add_column(header, justify=side, overflow="fold", min_width=width)  # type: ignore[arg-type]
    for row in rows:
        # Text, as names may contain brackets, which are markup in a string.
        shown.add_row(*(Text(row[i]) for i, name in enumerate(columns) if name in widths))
    if left_out:
        note = "; ".join(filter(None, [note, f"no room for {', '.join(left_out)}"]))
    # Not the table's own title and note, which would wrap at its width.
    console().print(Text(title, style="bold"), shown, *([Text(note)] if note else []))


def _overflows(widths: Mapping[str, int]) -> bool:
    """Whether columns of these widths don't fit beside each other."""
    return sum(width + 2 for width in widths.values()) > int(console().width)


def aligned(columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a table as plain text, header first; arguments as for `table`."""
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


def hanging(lines: str) -> str:
    """Wraps lines of names and descriptions at a terminal's width; elsewhere they stay as they are.

    >>> hanging("  name      what it is")
    '  name      what it is'
    """
    if not sys.stdout.isatty():
        return lines
    width = shutil.get_terminal_size().columns
    wrapped = []
    for line in lines.split("\n"):
        # Where the description begins, unless that leaves little room for it.
        start = re.match(r" *\S+ {2,}", line)
        indent = start.end() if start and start.end() <= width // 2 else 6
        wrapped += textwrap.wrap(line, width, subsequent_indent=" " * indent) or [""]
    return "\n".join(wrapped)


def html_table(title: str, rows: Mapping[str, Any]) -> str:
    """Returns names and values as an HTML table, as objects show themselves in a notebook."""
    cells = (
        f'<tr><th style="text-align: left">{html.escape(name)}</th>'
        f'<td style="text-align: left">{html.escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return f"<b>{html.escape(title)}</b><table>{''.join(cells)}</table>"
