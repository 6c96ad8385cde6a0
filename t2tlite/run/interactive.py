"""Interactive decoding: a prompt with history and line editing, or lines from a pipe."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from t2tlite.errors import Error
from t2tlite.run.decoding import Decoder

HELP = """Type a line to decode it. Commands, as in Tensor2Tensor:
  ns=N     show N answers (now {ns})
  dl=N     let answers be N tokens longer than their input (now {dl})
  it=text  the kind of input; text is the only one
  q        quit (also Ctrl-D)"""


def interactive(decoder: Decoder, write: Callable[[str], None] = print) -> None:
    """Answers lines until the input ends or asks to quit."""
    how = dataclasses.replace(decoder.decode_hparams)
    shown = 1
    if sys.stdin.isatty():
        write(HELP.format(ns=shown, dl=how.extra_length))
    for line in _lines():
        command, equals, value = line.strip().partition("=")
        if line.strip() == "q":
            return
        try:
            if equals and command == "ns":
                shown = max(1, int(value))
                if how.sampling_method != "random":
                    how.beam_size = max(how.beam_size, shown)
            elif equals and command == "dl":
                how.extra_length = max(0, int(value))
            elif equals and command == "it":
                write("it=text is all there is" if value != "text" else "it=text")
            elif not line.strip():
                write(HELP.format(ns=shown, dl=how.extra_length))
            else:
                _answer(decoder, line, how, shown, write)
        except ValueError:
            write(f"{line.strip()}: {value!r} is no number; try {command}=4")
        except Error as error:
            write(str(error))
        except KeyboardInterrupt:
            write("(stopped)")


def _answer(
    decoder: Decoder, line: str, how: object, shown: int, write: Callable[[str], None]
) -> None:
    assert dataclasses.is_dataclass(how)
    # Samples are drawn one a row; beams come together.
    rows = shown if getattr(how, "sampling_method", "") == "random" else 1
    answers = [one for found in decoder.n_best([line] * rows, how) for one in found][:shown]  # type: ignore[arg-type]
    for one in answers:
        write(f"{one.score:8.3f}  {one.text}" if shown > 1 else one.text)


def _lines() -> Iterator[str]:
    """Yields typed lines; on a terminal with editing and a history that outlives the program."""
    if not sys.stdin.isatty():
        for line in sys.stdin:
            yield line.rstrip("\n")
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    try:
        (home / "t2tlite").mkdir(parents=True, exist_ok=True)
        session: PromptSession[str] = PromptSession(
            history=FileHistory(str(home / "t2tlite" / "history"))
        )
    except OSError:
        # A home that can't be written to costs the history, not the prompt.
        session = PromptSession()
    while True:
        try:
            yield session.prompt("> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
