"""Dynamic batching: one thread decodes the lines of many requests together."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any

from t2tlite.errors import Error
from t2tlite.serving.limits import Limits

log = logging.getLogger(__name__)

# Takes the kind of a batch, its lines, and the number of the first in its request, from 0, for
# messages; returns an answer for each line.
Decode = Callable[[Any, list[Any], int], Sequence[Any]]

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

    @property
    def group(self) -> Hashable:
        """Lines of equal groups may share a batch."""
        return self.kind, max(SHORT_BITS, len(self.content).bit_length())


class Batcher:
    """A queue of lines and the thread that decodes them.

    Args:
      load: returns the function that decodes a batch. Called in the decoding thread, as some of
        Keras's state is thread-local.
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
          repeat: how often each line is decoded.

        Returns:
          A future of the answers in the lines' order, `repeat` for each; it raises the first error
          of a line.

        Raises:
          QueueFullError: the queue has no room for all of them.
          StoppingError: the server is stopping.
        """
        with self._changed:
            if self._stopping or not self._thread.is_alive():
                raise StoppingError
            count = len(lines) * repeat
            if len(self._queue) + count > self._limits.max_queue:
                raise QueueFullError(max(1, math.ceil(len(self._queue) * self._seconds_per_line)))
            future: Future[list[Any]] = Future()
            answers: list[Any] = [None] * count
            now = time.monotonic()
            self._queue += [
                _Line(future, answers, i, i // repeat, lines[i // repeat], kind, now)
                for i in range(count)
            ]
            self._changed.notify()
        return future

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
            decode = load()
        except BaseException as error:
            self._loaded.set_exception(error)
            return
        self._loaded.set_result(decode)
        while batch := self._next_batch():
            started = time.monotonic()
            self._observe(len(batch))
            self._decode(decode, batch)
            seconds = (time.monotonic() - started) / len(batch)
            self._seconds_per_line = 0.9 * self._seconds_per_line + 0.1 * seconds

    def _next_batch(self) -> list[_Line]:
        """Waits for a batch: the oldest line's group. Returns [] when stopped and empty."""
        with self._changed:
            while self._queue or not self._stopping:
                if not self._queue:
                    self._changed.wait()
                    continue
                oldest = self._queue[0]
                batch = [line for line in self._queue if line.group == oldest.group]
                batch = batch[: self._limits.max_batch_size]
                full = len(batch) == self._limits.max_batch_size
                wait = oldest.arrival + self._limits.batch_timeout_ms / 1000 - time.monotonic()
                if full or wait <= 0 or self._stopping:
                    taken = set(batch)
                    self._queue = [line for line in self._queue if line not in taken]
                    return batch
                self._changed.wait(wait)
            return []

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
