"""Dynamic batching: lines of many requests, decoded together by one thread."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from t2tlite.errors import Error
from t2tlite.serve.limits import Limits

log = logging.getLogger(__name__)

# Takes what its lines share and the lines; returns an answer to each.
Decode = Callable[[Hashable, list[Any]], Sequence[Any]]

# Lines of up to so many characters, as a power of two, share a batch; longer ones wait for lines of
# their own magnitude, as a batch takes as long as its longest line.
SHORT = 7


class QueueFullError(Exception):
    """There is no room in the queue.

    Attributes:
      retry_after_seconds: when there will probably be some.
    """

    def __init__(self, retry_after_seconds: int):
        super().__init__("the queue is full")
        self.retry_after_seconds = retry_after_seconds


class StoppingError(Exception):
    """The server takes nothing new."""


@dataclass(eq=False)
class Ticket:
    """A request's lines in the queue.

    Attributes:
      future: gets the answers, in the lines' order, or what went wrong.
    """

    answers: list[Any]
    missing: int
    future: Future[list[Any]] = field(default_factory=Future)

    def answer(self, index: int, value: Any) -> None:
        self.answers[index] = value
        self.missing -= 1
        if not self.missing:
            self._end(lambda: self.future.set_result(self.answers))

    def fail(self, error: BaseException) -> None:
        self._end(lambda: self.future.set_exception(error))

    def _end(self, end: Callable[[], None]) -> None:
        # Whoever asked may have gone meanwhile, or another of the lines failed.
        with contextlib.suppress(InvalidStateError):
            end()


@dataclass(eq=False, frozen=True)
class _Line:
    ticket: Ticket
    index: int
    content: Any
    group: Hashable
    kind: Hashable
    arrived: float


class Batcher:
    """The queue and the one thread that empties it.

    Args:
      make_decode: makes the decoding function; called in the thread, as parts of Keras's state
        belong to the thread that set them.
      limits: bounds of the queue and the batches.
      observe: gets the number of lines of each batch.
    """

    def __init__(
        self,
        make_decode: Callable[[], Decode],
        limits: Limits,
        observe: Callable[[int], None] = lambda lines: None,
    ):
        self._limits = limits
        self._observe = observe
        self._queue: list[_Line] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._line_seconds = 0.0
        self._ready: Future[None] = Future()
        # A daemon, so that a second Ctrl-C need not wait for a batch.
        self._thread = threading.Thread(
            target=self._run, args=(make_decode,), name="decoding", daemon=True
        )
        self._thread.start()

    def wait_ready(self) -> None:
        """Returns once lines can be decoded; raises what kept them from it."""
        self._ready.result()

    @property
    def alive(self) -> bool:
        """Whether lines are being decoded, or would be."""
        return self._thread.is_alive() and self._ready.done() and not self._stopping

    def __len__(self) -> int:
        return len(self._queue)

    def submit(self, kind: Hashable, lines: Sequence[Any]) -> Ticket:
        """Puts a request's lines at the queue's end.

        Args:
          kind: only lines of the same kind are decoded together.
          lines: at least one.

        Raises:
          QueueFullError: they don't fit.
          StoppingError: the server is about to end.
        """
        with self._changed:
            if self._stopping or not self._thread.is_alive():
                raise StoppingError
            if len(self._queue) + len(lines) > self._limits.max_queue:
                raise QueueFullError(max(1, math.ceil(len(self._queue) * self._line_seconds)))
            ticket = Ticket([None] * len(lines), len(lines))
            now = time.monotonic()
            for index, line in enumerate(lines):
                group = (kind, max(SHORT, len(line).bit_length()))
                self._queue.append(_Line(ticket, index, line, group, kind, now))
            self._changed.notify()
        return ticket

    def drop(self, ticket: Ticket) -> None:
        """Takes a request back: what isn't being decoded already, never will be."""
        with self._changed:
            self._queue = [line for line in self._queue if line.ticket is not ticket]
        ticket.future.cancel()

    def stop(self, timeout_seconds: float | None = None) -> None:
        """Refuses new lines, and returns when those in the queue are decoded."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout_seconds)

    def _run(self, make_decode: Callable[[], Decode]) -> None:
        try:
            decode = make_decode()
        except BaseException as error:
            self._ready.set_exception(error)
            return
        self._ready.set_result(None)
        while batch := self._next_batch():
            started = time.monotonic()
            self._observe(len(batch))
            self._decode(decode, batch)
            seconds = (time.monotonic() - started) / len(batch)
            self._line_seconds = 0.9 * self._line_seconds + 0.1 * seconds

    def _next_batch(self) -> list[_Line]:
        """Waits for lines; returns none when there will be no more."""
        with self._changed:
            while True:
                if not self._queue:
                    if self._stopping:
                        return []
                    self._changed.wait()
                    continue
                oldest = self._queue[0]
                batch = [line for line in self._queue if line.group == oldest.group]
                batch = batch[: self._limits.max_batch_size]
                patience = self._limits.batch_timeout_ms / 1000 - time.monotonic() + oldest.arrived
                full = len(batch) == self._limits.max_batch_size
                if full or patience <= 0 or self._stopping:
                    taken = {id(line) for line in batch}
                    self._queue = [line for line in self._queue if id(line) not in taken]
                    return batch
                self._changed.wait(patience)

    def _decode(self, decode: Decode, batch: list[_Line]) -> None:
        try:
            answers = decode(batch[0].kind, [line.content for line in batch])
        except Exception as error:
            if len(batch) > 1:
                # One line that can't be decoded must not harm the others.
                for line in batch:
                    self._decode(decode, [line])
                return
            if not isinstance(error, Error):
                log.exception("a line couldn't be decoded")
            batch[0].ticket.fail(error)
            return
        for line, answer in zip(batch, answers, strict=True):
            line.ticket.answer(line.index, answer)
