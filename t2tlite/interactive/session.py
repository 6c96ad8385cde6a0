"""An interactive session: answers lines and obeys commands."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from t2tlite.decode.decode_hparams import MAX_LENGTH, DecodeHParams, Hypothesis
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import CheckpointError, DataError, Error
from t2tlite.interactive.memory import Memory
from t2tlite.interactive.prompt import hidden_keys, make_session, piped_lines, typed_lines
from t2tlite.interactive.screen import Screen

T = TypeVar("T")

HELP = """Type a line to get an answer. Commands, the first four as in Tensor2Tensor:
  ns=N              show N answers with their scores (now {ns})
  dl=N              let answers be N tokens longer than their line (now {dl})
  it=text           the kind of input; only text is supported
  q                 quit; also Ctrl-D
  :next [N]         use the last answer, or the N-th of several, as the next line
  :attention [L H]  show the attention weights of the last answer [of layer L, head H]
  :set A=B,C=D      set decode hparams, such as beam_size=1 or sampling_method=random
  :reset            decode as the model says again, and forget the settings
  :help             show this
A space before a command makes it text. Ctrl-C stops an answer."""

_COMMAND = re.compile(r"(ns|dl|it)=(.*)|(:[a-z]+)(?:\s+(.*))?|q", re.DOTALL)
COMMANDS = [":attention", ":help", ":next", ":reset", ":set ", "dl=", "it=text", "ns=", "q"]
_ASSIGNMENTS = [f"{field.name}=" for field in dataclasses.fields(DecodeHParams)]

# Typed lines rarely have more tokens: padded to this width, all share one compiled shape.
MIN_WIDTH = 64
# Labels of a classifier that a terminal shows by default.
_LABELS = 5
# Limits the memory for beams.
_MAX_ANSWERS = 100


def interactive(decoder: Decoder, remembers: bool = False) -> None:
    """Answers lines of standard input until it ends or a line says to quit.

    On a terminal there is editing, history, completion, tables and answers token by token. In a
    pipe, each line gets its answers and nothing else on standard output.

    Args:
      decoder: the model.
      remembers: whether a session on a terminal begins with the settings of the last one.

    Raises:
      DataError: a line from a pipe isn't UTF-8.
    """
    screen = Screen(_on_terminal())
    memory = Memory(decoder.output_dir) if remembers and screen.is_terminal else None
    session = Session(decoder, screen, memory)
    if not screen.is_terminal:
        session.run(piped_lines())
        return
    example = "a line" if decoder.problem.has_inputs else "a beginning, or nothing"
    print(f"Type {example}; :help lists the commands, Ctrl-D quits.")
    if memory and (settings := session.settings()):
        told = ", ".join(f"{name}={value}" for name, value in settings.items())
        print(f"As in your last session: {told}. :reset forgets it ({memory.path}).")
    session.run(typed_lines(make_session(COMMANDS, _ASSIGNMENTS, session.status)))


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


class Session:
    """One conversation with a model.

    Args:
      decoder: the model.
      screen: shows the answers.
      memory: has the settings to begin with, and gets each change; None: nothing is remembered.
    """

    def __init__(self, decoder: Decoder, screen: Screen, memory: Memory | None = None):
        self.decoder, self.screen, self._memory = decoder, screen, memory
        decoder.engine.min_width = MIN_WIDTH
        decoder.from_nothing = True
        self._reset()
        if memory:
            with contextlib.suppress(Error):
                self._apply(memory.read())
        self._line, self._answers = "", list[Hypothesis]()
        self._number = 0  # of the line, from 1
        # On a terminal, a thread decodes: the main thread hears Ctrl-C meanwhile, and the model
        # warms up while the user types. Keras remembers in the main thread alone how several
        # devices share work.
        uses_thread = screen.is_terminal and decoder.engine.is_one_device
        self._thread = ThreadPoolExecutor(1) if uses_thread else None
        self._warmed_up: object = None
        self._warm_up: Future[None] | None = None

    def settings(self) -> dict[str, Any]:
        """Returns what differs from the model's way of decoding: decode hparams by name, and ns."""
        model, now = vars(self.decoder.decode_hparams), vars(self._hparams)
        changed = {name: value for name, value in now.items() if value != model[name]}
        if self._max_answers != self._usual_answers():
            changed["ns"] = self._max_answers
        return changed

    def _reset(self) -> None:
        self._hparams = dataclasses.replace(self.decoder.decode_hparams)
        self._max_answers = self._usual_answers()

    def _usual_answers(self) -> int:
        if self.decoder.classifies and self.screen.is_terminal:
            return min(_LABELS, int(self.decoder.encoders["targets"].vocab_size))
        return 1

    def _apply(self, settings: Mapping[str, Any]) -> None:
        """Applies what `settings` returned; raises HParamsError or DataError if it can't be."""
        hparams = {name: value for name, value in settings.items() if name != "ns"}
        # Beside a beam_size it must be given: it may be sampling by default.
        given = {"sampling_method": self._hparams.sampling_method, **hparams}
        changed = dataclasses.replace(self._hparams).override(given).check()
        usual = self._usual_answers()
        number = _parse_number("ns", str(settings.get("ns", usual)), 1, _MAX_ANSWERS)
        self._hparams, self._max_answers = changed, number

    def run(self, lines: Iterable[str]) -> None:
        """Takes lines until they end or one says to quit."""
        self._start_warm_up()
        for line in lines:
            try:
                with hidden_keys() if self.screen.is_terminal else contextlib.nullcontext():
                    goes_on = self.take(line)
                if not goes_on:
                    break
            except KeyboardInterrupt:
                if not self.screen.is_terminal:
                    raise
                print("(stopped)", flush=True)
            self._start_warm_up()
        if self._thread:
            # A stopped answer may still be computed.
            self._thread.shutdown(wait=False, cancel_futures=True)

    def take(self, line: str) -> bool:
        """Answers a line or obeys a command; returns False if it says to quit."""
        self._number += 1
        if line == "q":
            return False
        command = _COMMAND.fullmatch(line)
        is_escaped = line.startswith(" ") and _COMMAND.fullmatch(line[1:])
        try:
            if command:
                self._obey(command[1] or command[3], (command[2] or command[4] or "").strip())
                if self._memory and self.settings() != self._memory.read():
                    self._memory.write(self.settings())
            else:
                self._answer(line[1:] if is_escaped else line)
        except CheckpointError:
            # The weights are damaged: no line would get an answer.
            raise
        except Error as error:
            self.screen.print_error(str(error))
            if not command:
                self.screen.show([])
        return True

    def status(self) -> str:
        """Returns one line on how the next line is decoded."""
        hparams, _, _ = self._next_decode()
        search = "sampling" if self.decoder.samples(hparams) else f"beam_size={hparams.beam_size}"
        settings = f"{search}  ns={self._max_answers}  dl={hparams.extra_length}"
        return f" {self.decoder.run.problem}  {settings}  :help"

    def _next_decode(self) -> tuple[DecodeHParams, int, bool]:
        """Returns the next line's decode hparams, its rows, and whether to stream the answer."""
        hparams, rows = dataclasses.replace(self._hparams), 1
        # Each sample needs a row; the answers of a beam search share one.
        if self.decoder.samples(hparams):
            rows = self._max_answers
        else:
            hparams.beam_size = max(hparams.beam_size, self._max_answers)
        one_answer = self.screen.is_terminal and self._max_answers == 1
        return hparams, rows, one_answer and self.decoder.streams(hparams)

    def _start_warm_up(self) -> None:
        """Compiles in the background what the next answer needs."""
        needed = self._next_decode()
        if self._thread and needed != self._warmed_up:
            self._warmed_up = needed
            self._warm_up = self._thread.submit(self.decoder.warm_up, *needed)

    def _run(self, work: Callable[[], T]) -> T:
        if not self._thread:
            return work()
        future = self._thread.submit(work)
        # In short waits: Python handles a signal that comes just before a wait only after it.
        while not wait([future], timeout=0.2).done:
            pass
        return future.result()

    def _answer(self, line: str) -> None:
        if not line.strip() and self.decoder.problem.has_inputs:
            self.screen.show([])
            return
        hparams, rows, streams = self._next_decode()
        if self._warm_up and not self._warm_up.done():
            with self.screen.busy("compiling, once for these settings"):
                self._run(lambda: None)
        if streams:
            stream = self.decoder.stream(line, hparams)
            states = iter(lambda: self._run(lambda: next(stream, None)), None)
            answers = [self.screen.stream(states)]
        else:
            first = self._number - 1
            n_best = self._run(lambda: self.decoder.n_best([line] * rows, hparams, first=first))
            answers = [answer for row in n_best for answer in row]
            answers = sorted(answers, key=lambda answer: -answer.score)[: self._max_answers]
            self.screen.show(answers, self._max_answers > 1, self.decoder.classifies)
        self._line, self._answers = line, answers

    def _obey(self, name: str, value: str) -> None:
        if name in (":next", ":attention") and not self._answers:
            raise DataError("there is no answer yet; type a line first")
        if name == "ns":
            self._max_answers = _parse_number(name, value, 1, _MAX_ANSWERS)
        elif name == "dl":
            self._hparams.extra_length = _parse_number(name, value, 0, MAX_LENGTH)
        elif name == "it":
            if value != "text":
                raise DataError(f"it={value} isn't supported; the input is text: it=text")
        elif name == ":next":
            number = _parse_number(name, value or "1", 1, len(self._answers))
            answer = self._answers[number - 1].text
            if not answer.strip():
                raise DataError("that answer is blank, so there is no next one; type a line")
            self._answer(answer)
        elif name == ":attention":
            self._show_attention(value)
        elif name == ":set":
            self._hparams = dataclasses.replace(self._hparams).override(value).check()
        elif name == ":reset":
            self._reset()
        elif name == ":help":
            print(HELP.format(ns=self._max_answers, dl=self._hparams.extra_length), flush=True)
        else:
            raise DataError(
                f"there is no command {name}; :help lists them, a space before it makes it text"
            )

    def _show_attention(self, value: str) -> None:
        numbers = [_parse_number(":attention", word, 0) for word in value.split()]
        if len(numbers) > 2:
            raise DataError(f":attention {value}: expected a layer and a head; try :attention 0 0")
        layer, head = [*numbers, None, None][:2]
        attention = self._run(lambda: self.decoder.attention(self._line, self._answers[0]))
        self.screen.draw(attention.map(layer=layer, head=head))


def _parse_number(name: str, text: str, lowest: int, highest: int = sys.maxsize) -> int:
    # Python refuses to parse thousands of digits.
    if not text.isdecimal() or len(text) > 20 or not lowest <= int(text) <= highest:
        limits = f"from {lowest} to {highest}" if highest < sys.maxsize else f"of {lowest} or more"
        raise DataError(f"{name} takes a whole number {limits}, not {text!r}")
    return int(text)
