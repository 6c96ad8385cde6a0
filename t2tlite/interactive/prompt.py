"""Reads lines: from a terminal with editing, history and completion, or from a pipe."""

from __future__ import annotations

import contextlib
import re
import sys
import termios
from collections.abc import Callable, Iterator, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.filters import Condition

from t2tlite.errors import DataError
from t2tlite.files import BYTE_ORDER_MARK
from t2tlite.interactive import memory


def make_session(
    commands: Sequence[str], hparams: Sequence[str], status: Callable[[], str]
) -> PromptSession[str]:
    """Returns a prompt whose history outlives the process.

    `commands` are offered as completions while a ":" command is typed, and at Tab in other lines;
    `hparams` after ":set ". `status` returns the text of the bar below the line.
    """

    def begins_with(text: str) -> bool:
        return session.default_buffer.text.startswith(text)

    session: PromptSession[str] = PromptSession(
        history=memory.open_history(),
        completer=WordCompleter(
            lambda: hparams if begins_with(":set ") else commands, pattern=re.compile(r"[^\s,]+")
        ),
        complete_while_typing=Condition(lambda: begins_with(":")),
        bottom_toolbar=status,
    )
    return session


def typed_lines(session: PromptSession[str]) -> Iterator[str]:
    """Yields lines typed at a prompt until Ctrl-D; Ctrl-C discards the line."""
    while True:
        try:
            yield session.prompt("> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


@contextlib.contextmanager
def hidden_keys() -> Iterator[None]:
    """Keeps keys that are pressed during the block off the screen; the next prompt gets them."""
    try:
        before = termios.tcgetattr(sys.stdin)
    except (termios.error, OSError):
        # Standard input is no terminal.
        yield
        return
    quiet = before[:]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


def piped_lines() -> Iterator[str]:
    """Yields each line of standard input as soon as it arrives, without a byte-order mark.

    Raises:
      DataError: a line isn't UTF-8.
    """
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"standard input, line {number}: byte {line[error.start]:#04x} is not UTF-8; "
                f"convert the text to UTF-8"
            ) from None
        if number == 1:
            text = text.removeprefix(BYTE_ORDER_MARK)
        yield text.removesuffix("\n").removesuffix("\r")
