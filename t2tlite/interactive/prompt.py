"""Where typed lines come from: a terminal with editing, history and completion, or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from t2tlite.errors import DataError


class Commands(Completer):
    """Completes commands at the head of a line, and what stands in a command after it.

    Args:
      words: complete commands; those that begin with ":" are offered while one types, the others,
        with which a line of text may begin, only when Tab is pressed.
      names: for commands that end in a space, what they take, as "name=" that commas join.
    """

    def __init__(self, words: Iterable[str], names: dict[str, list[str]]):
        self.words = sorted(words)
        self.names = names

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Any:
        typed = document.text_before_cursor
        if not typed.startswith(":") and not complete_event.completion_requested:
            return
        for command, names in self.names.items():
            if typed.startswith(command):
                last = typed[len(command) :].rpartition(",")[2]
                yield from _completions(last, names)
        yield from _completions(typed, self.words)


def _completions(typed: str, words: Iterable[str]) -> Iterator[Completion]:
    for word in words:
        if word.startswith(typed) and word != typed:
            yield Completion(word, start_position=-len(typed))


def typed_lines(commands: Commands, state: Callable[[], str]) -> Iterator[str]:
    """Yields lines typed on a terminal until Ctrl-D; Ctrl-C empties the line.

    Args:
      commands: what to complete.
      state: returns what stands below the line.
    """
    session: PromptSession[str] = PromptSession(
        history=_history(), completer=commands, bottom_toolbar=state
    )
    while True:
        try:
            yield session.prompt("> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _history() -> History:
    """The history of all runs; where the home can't be written to, of this one."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    try:
        (home / "t2tlite").mkdir(parents=True, exist_ok=True)
        with open(home / "t2tlite" / "history", "ab"):
            pass
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(home / "t2tlite" / "history"))


def piped_lines(source: BinaryIO | None = None) -> Iterator[str]:
    """Yields the lines of standard input as soon as each is there.

    Raises:
      DataError: a line isn't UTF-8.
    """
    for number, line in enumerate(source or sys.stdin.buffer, start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"standard input, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; "
                f"convert the text to UTF-8"
            ) from None
        yield text.removesuffix("\n").removesuffix("\r")
