"""Interactive decoding: a conversation on a terminal, or line after line from a pipe."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import DataError, Error
from t2tlite.interactive.prompt import Commands, piped_lines, typed_lines
from t2tlite.interactive.screens import Pipe, Terminal
from t2tlite.model.beams import MISSING_SCORE

HELP = """Type a line to have it answered. Commands, the first four as in Tensor2Tensor:
  ns=N              show N answers with their scores (now {ns})
  dl=N              let answers be N tokens longer than their line (now {dl})
  it=text           the kind of input; text is the only one
  q                 quit; also Ctrl-D
  :next [N]         answer the last answer, or the N-th of several
  :attention [L H]  show what the model looked at for the last answer [in layer L, head H]
  :set A=B,C=D      set decode hparams, such as beam_size=1 or sampling_method=random
  :help             show this
A space before a command makes it text. Ctrl-C stops an answer."""

_COMMAND = re.compile(r"(ns|dl|it)=(.*)|(:[a-z]+)(?:\s+(.*))?|q", re.DOTALL)
_NAMES = [field.name for field in dataclasses.fields(DecodeHParams)]
COMMANDS = Commands(
    ["q", "ns=", "dl=", "it=text", ":next", ":attention", ":set ", ":help"],
    {":set ": [f"{name}=" for name in _NAMES]},
)

# Typed lines are hardly longer, in tokens: so all have one shape, and what was traced or compiled
# for the first serves the others.
LEAST_WIDTH = 64
# Labels of a classifier that a terminal shows at first.
_LABELS = 5
# Answers of a line at most: a slip of the finger shouldn't fill the memory with beams.
_MOST_ANSWERS = 100

# Does some work and returns what it returns.
Run = Callable[[Callable[[], Any]], Any]


def interactive(decoder: Decoder) -> None:
    """Answers lines of standard input until it ends or asks to quit.

    On a terminal there is editing, history, completion, tables and tokens as they come; otherwise
    line n gets its answers and nothing else on standard output.
    """
    if not _on_terminal():
        session = Session(decoder, Pipe())
        for line in piped_lines():
            if not session.take(line):
                return
        return
    # A thread, so that the model warms up while somebody types and Ctrl-C is heard while it writes.
    # But how several devices share work Keras knows only in the thread in which they were chosen.
    thread = ThreadPoolExecutor(1) if decoder.engine.is_one_device else None
    session = Session(decoder, Terminal(), _run_in(thread) if thread else _at_once)
    what = "a line" if decoder.problem.has_inputs else "a beginning, or nothing"
    session.screen.tell(f"Type {what}; :help tells the commands, Ctrl-D ends.")
    if thread:
        thread.submit(session.warm_up)
    for line in typed_lines(COMMANDS, session.state):
        try:
            if not session.take(line):
                break
        except KeyboardInterrupt:
            session.screen.tell("(stopped)")
        if thread:
            thread.submit(session.warm_up)
    if thread:
        # What was stopped may still compute.
        thread.shutdown(wait=False, cancel_futures=True)


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _run_in(thread: ThreadPoolExecutor) -> Run:
    return lambda work: thread.submit(work).result()


def _at_once(work: Callable[[], Any]) -> Any:
    return work()


class Session:
    """One conversation: how to decode, and what was last said.

    Args:
      decoder: the model.
      screen: shows the answers.
      run: does the work that takes time.
    """

    def __init__(self, decoder: Decoder, screen: Pipe | Terminal, run: Run = _at_once):
        self.decoder, self.screen, self._run = decoder, screen, run
        decoder.engine.min_width = LEAST_WIDTH
        decoder.from_nothing = True
        self._asked = dataclasses.replace(decoder.decode_hparams)
        self._shown = 1
        if decoder.classifies and isinstance(screen, Terminal):
            self._shown = min(_LABELS, decoder.encoders["targets"].vocab_size)
        self._line, self._answers = "", list[Hypothesis]()
        self._warm: set[Any] = set()

    def take(self, line: str) -> bool:
        """Answers a line or obeys a command; returns whether to go on."""
        command = _COMMAND.fullmatch(line)
        if command and line == "q":
            return False
        try:
            if command:
                self._obey(command[1] or command[3], (command[2] or command[4] or "").strip())
            elif line.startswith(" ") and _COMMAND.fullmatch(line[1:]):
                self._answer(line[1:])
            else:
                self._answer(line)
        except Error as error:
            self.screen.complain(str(error))
            if not command:
                self.screen.show([])
        return True

    def state(self) -> str:
        """What the next line is answered with."""
        how = self._how
        drawn = "sampling" if self.decoder.samples(how) else f"beam_size={how.beam_size}"
        return (
            f" {self.decoder.run.problem}  {drawn}  ns={self._shown}  dl={how.extra_length}  :help"
        )

    def warm_up(self) -> None:
        """Traces or compiles what the next answer needs, unless it is there."""
        how = self._how
        rows, stream = self._rows, isinstance(self.screen, Terminal) and self._streams
        if (needed := (how.of_search(), rows, stream)) not in self._warm:
            self._warm.add(needed)
            self.decoder.warm_up(how, rows, stream)

    @property
    def _rows(self) -> int:
        """Lines that are decoded at once: samples are drawn one a row, beams come together."""
        return self._shown if self.decoder.samples(self._asked) else 1

    @property
    def _streams(self) -> bool:
        return self._shown == 1 and self.decoder.streams(self._how)

    @property
    def _how(self) -> DecodeHParams:
        """How to decode: with as many beams as answers are asked for."""
        how = dataclasses.replace(self._asked)
        if not self.decoder.samples(how):
            how.beam_size = max(how.beam_size, self._shown)
        return how

    def _answer(self, line: str) -> None:
        if not line.strip() and self.decoder.problem.has_inputs:
            self.screen.show([])
            return
        if isinstance(self.screen, Terminal) and self._streams:
            stream = self.decoder.stream(line, self._how)
            answers = [self.screen.write(iter(lambda: self._run(lambda: next(stream, None)), None))]
        else:
            answers = self._run(lambda: self._found(line))
            self.screen.show(answers, self._shown > 1, self.decoder.classifies)
        self._line, self._answers = line, answers

    def _found(self, line: str) -> list[Hypothesis]:
        answers = self.decoder.n_best([line] * self._rows, self._how)
        found = [one for row in answers for one in row]
        found = [one for one in found if one.score > MISSING_SCORE]
        return sorted(found, key=lambda one: -one.score)[: self._shown]

    def _obey(self, name: str, value: str) -> None:
        if name == "ns":
            self._shown = _number(name, value, 1, _MOST_ANSWERS)
        elif name == "dl":
            self._asked.extra_length = _number(name, value, 0)
        elif name == "it":
            if value != "text":
                raise DataError(
                    f"it={value}: the input is always text here; it=text is all there is"
                )
        elif name == ":next":
            number = _number(name, value or "1", 1, max(1, len(self._answers)))
            answer = self._last(number).text
            if not answer.strip():
                raise DataError("that answer is blank, so there is no next one; type a line")
            self._answer(answer)
        elif name == ":attention":
            self._show_attention(value)
        elif name == ":set":
            self._asked = dataclasses.replace(self._asked).override(value).check()
        elif name == ":help":
            self.screen.tell(HELP.format(ns=self._shown, dl=self._asked.extra_length))
        else:
            raise DataError(
                f"no command is named {name}; :help tells all, a space before it makes it text"
            )

    def _last(self, number: int = 1) -> Hypothesis:
        if not self._answers:
            raise DataError("nothing was answered yet; type a line first")
        return self._answers[number - 1]

    def _show_attention(self, value: str) -> None:
        answer = self._last()
        words = value.split()
        if len(words) > 2:
            raise DataError(f":attention {value}: expected a layer and a head; try :attention 0 0")
        layer, head = [_number(":attention", one, 0) for one in words] + [None] * (2 - len(words))
        found = self._run(lambda: self.decoder.attention(self._line, answer))
        self.screen.draw(found.map(layer=layer, head=head))


def _number(name: str, text: str, least: int, most: int = sys.maxsize) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        limit = f" to {most}" if most < sys.maxsize else " on"
        raise DataError(f"{name} takes a whole number from {least}{limit}, and found {text!r}")
    return int(text)
