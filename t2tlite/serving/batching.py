"""Dynamic batching: one thread decodes the lines of many requests together.

Between two batches the same thread advances each answer that is streamed by a token, and calls what
must not run beside decoding, such as loading other weights.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any

from t2tlite.errors import Error
from t2tlite.serving.limits import Limits

log = logging.getLogger(__name__)

# Takes the kind of a batch, its lines, and the number of the first in its request, from 0, for
# messages; returns an answer for each line.
Decode = Callable[[Any, list[Any], int], Sequence[Any]]

# Answers that are streamed at the same time; others wait in the queue.
MOST_STREAMS = 16

# A batch takes as long as its longest line, so lines share one only if their lengths have equally
# many bits; lengths of up to this many bits count as equal.
SHORT_BITS = 7


@dataclass
class QueueFullError(Exception):
    """The queue has no room for a request; it probably has after the given time."""

    retry_after_seconds: int


class StoppingError(Exception):
    """The server is stopping and accepts no more requests."""


@dataclass(eq=False, frozen=True)
class _Line:
    """A line in the queue; all lines of a request have the same `future` and `answers`.

    `answers[index]` is where its answer belongs, `number` the line in its request, from 0.
    """

    future: Future[list[Any]]
    answers: list[Any]
    index: int
    number: int
    content: Any
    kind: Hashable
    arrival: float
    # Called with the answer after each token, if it is streamed.
    emit: Callable[[Any], None] | None = None

    @property
    def group(self) -> Hashable:
        """Lines of equal groups may share a batch."""
        return self.kind, max(SHORT_BITS, len(self.content).bit_length())


@dataclass(eq=False, frozen=True)
class _Call:
    """A function that the decoding thread calls."""

    future: Future[Any]
    function: Callable[[], Any]
    arrival: float


class Batcher:
    """A queue of lines and the thread that decodes them.

    Args:
      load: returns the function that decodes a batch. Called in the decoding thread, as some of
        Keras's state is thread-local. Only `stream` needs its method `stream(kind, line)`, which
        returns an iterator of answers.
      limits: of the queue and the batches.
      observe: called with the number of lines of each batch.
    """

    def __init__(
        self,
        load: Callable[[], Decode],
        limits: Limits,
        observe: Callable[[int], None] = lambda lines: None,
    ):
        self._limits = limits
        self._observe = observe
        self._queue: list[_Line] = []
        self._calls: list[_Call] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._seconds_per_line = 0.0
        self._loaded: Future[Any] = Future()
        # A daemon thread, so that a second Ctrl-C doesn't wait for a batch.
        self._thread = threading.Thread(
            target=self._run, args=(load,), name="decoding", daemon=True
        )
        self._thread.start()

    def wait_ready(self) -> Any:
        """Returns what `load` returned, or raises what it raised."""
        return self._loaded.result()

    @property
    def alive(self) -> bool:
        """Whether requests are accepted and decoded."""
        return self._thread.is_alive() and self._loaded.done() and not self._stopping

    def __len__(self) -> int:
        return len(self._queue)

    def submit(self, kind: Hashable, lines: Sequence[Any], repeat: int = 1) -> Future[list[Any]]:
        """Appends a request's lines to the queue.

        Args:
          kind: only lines of the same kind share a batch.
          lines: at least one; anything with a length.
          repeat: this many lines after each other are one line of the request, for messages.

        Returns:
          A future of the answers in the lines' order; it raises the first error of a line.

        Raises:
          QueueFullError: the queue has no room for all of them.
          StoppingError: the server is stopping.
        """
        future: Future[list[Any]] = Future()
        answers: list[Any] = [None] * len(lines)
        now = time.monotonic()
        return self._enqueue(
            [
                _Line(future, answers, i, i // repeat, line, kind, now)
                for i, line in enumerate(lines)
            ]
        )

    def stream(self, kind: Hashable, line: Any, emit: Callable[[Any], None]) -> Future[list[Any]]:
        """Appends a line to the queue whose answer is passed on while it is written.

        Args:
          kind, line: as for `submit`.
          emit: called in the decoding thread with the answer after each token; must return at once.

        Returns:
          A future of the whole answer, as a list; `drop` ends the decoding.

        Raises:
          QueueFullError, StoppingError: as `submit`.
        """
        future: Future[list[Any]] = Future()
        return self._enqueue([_Line(future, [None], 0, 0, line, kind, time.monotonic(), emit)])

    def _enqueue(self, lines: list[_Line]) -> Future[list[Any]]:
        with self._changed:
            if self._stopping or not self._thread.is_alive():
                raise StoppingError
            if len(self._queue) + len(lines) > self._limits.max_queue:
                raise QueueFullError(max(1, math.ceil(len(self._queue) * self._seconds_per_line)))
            self._queue += lines
            self._changed.notify()
        return lines[0].future

    def call(self, function: Callable[[], Any]) -> Future[Any]:
        """Calls a function in the decoding thread, after the lines that came before.

        Returns:
          A future of what it returns or raises.

        Raises:
          StoppingError: the server is stopping.
        """
        with self._changed:
            if self._stopping or not self._thread.is_alive():
                raise StoppingError
            self._calls.append(_Call(Future(), function, time.monotonic()))
            self._changed.notify()
            return self._calls[-1].future

    def drop(self, future: Future[list[Any]]) -> None:
        """Cancels a request; its lines that aren't being decoded yet leave the queue."""
        with self._changed:
            self._queue = [line for line in self._queue if line.future is not future]
        future.cancel()

    def stop(self, timeout_seconds: float | None = None) -> bool:
        """Refuses new requests and waits until the queue is decoded; returns whether it is."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self, load: Callable[[], Decode]) -> None:
        try:
            decode: Any = load()
        except BaseException as error:
            self._loaded.set_exception(error)
            return
        self._loaded.set_result(decode)
        streams: list[tuple[_Line, Iterator[Any]]] = []
        while (due := self._next(len(streams))) is not None:
            if isinstance(due, _Call):
                _settle(due.future, due.function)
            elif due and due[0].emit:
                streams.append((due[0], decode.stream(due[0].kind, due[0].content)))
            elif due:
                started = time.monotonic()
                self._observe(len(due))
                self._decode(decode, due)
                seconds = (time.monotonic() - started) / len(due)
                self._seconds_per_line = 0.9 * self._seconds_per_line + 0.1 * seconds
            streams = [stream for stream in streams if _advance(*stream)]

    def _next(self, streams: int) -> list[_Line] | _Call | None:
        """Waits for what to do next, unless there are streams to advance meanwhile.

        Returns:
          A batch, a single line to stream, a call, [] if nothing is due, or None at the end.
        """
        with self._changed:
            while True:
                # Streams that run end before a call, and those that came after it wait.
                called = self._calls[0].arrival if self._calls else math.inf
                if not streams and called < (self._queue[0].arrival if self._queue else math.inf):
                    return self._calls.pop(0)
                for line in self._queue:
                    if line.emit and streams < MOST_STREAMS and line.arrival < called:
                        return self._take([line])
                batch, wait = self._due()
                if batch:
                    return self._take(batch)
                if streams:
                    return []
                if self._stopping and not self._queue and not self._calls:
                    return None
                self._changed.wait(wait)

    def _due(self) -> tuple[list[_Line], float | None]:
        """Returns the oldest line's batch if it is due; if not, the seconds until it is."""
        lines = [line for line in self._queue if not line.emit]
        if not lines:
            return [], None
        batch = [line for line in lines if line.group == lines[0].group]
        batch = batch[: self._limits.max_batch_size]
        full = len(batch) == self._limits.max_batch_size
        wait = lines[0].arrival + self._limits.batch_timeout_ms / 1000 - time.monotonic()
        return (batch, None) if full or wait <= 0 or self._stopping else ([], wait)

    def _take(self, lines: list[_Line]) -> list[_Line]:
        taken = set(lines)
        self._queue = [line for line in self._queue if line not in taken]
        return lines

    def _decode(self, decode: Decode, batch: list[_Line]) -> None:
        first = batch[0]
        try:
            answers = decode(first.kind, [line.content for line in batch], first.number)
        except Exception as error:
            if len(batch) > 1:
                # Decoded one by one, so that only the line at fault fails.
                for line in batch:
                    self._decode(decode, [line])
                return
            if not isinstance(error, Error):
                log.exception("a line couldn't be decoded")
            with contextlib.suppress(InvalidStateError):
                first.future.set_exception(error)
            return
        for line, answer in zip(batch, answers, strict=True):
            line.answers[line.index] = answer
            # The future is done already if the request was dropped or another of its lines failed.
            if None not in line.answers:
                with contextlib.suppress(InvalidStateError):
                    line.future.set_result(line.answers)


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    """Calls a function and gives its future what it returns or raises."""
    try:
        result = function()
    except Exception as error:
        with contextlib.suppress(InvalidStateError):
            future.set_exception(error)
        return
    with contextlib.suppress(InvalidStateError):
        future.set_result(result)


def _advance(line: _Line, answers: Iterator[Any]) -> bool:
    """Passes on the answer with its next token; returns whether the stream goes on."""
    if line.future.cancelled():
        return False
    try:
        line.answers[0] = answer = next(answers)
    except StopIteration:
        _settle(line.future, lambda: line.answers)
        return False
    except Exception as error:
        if not isinstance(error, Error):
            log.exception("a line couldn't be decoded")
        with contextlib.suppress(InvalidStateError):
            line.future.set_exception(error)
        return False
    assert line.emit is not None
    line.emit(answer)
    return True
