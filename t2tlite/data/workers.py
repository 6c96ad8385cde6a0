"""Work spread over processes: results in order, constant memory, and no process left behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from t2tlite.errors import DataError

J = TypeVar("J")
R = TypeVar("R")

# Jobs that wait for each process; their samples are in memory.
_WAITING = 2


class Workers:
    """Processes that take jobs, started with the second job: little data is made without them.

    Args:
      count: processes; 1: the jobs are done here, in turn.
    """

    def __init__(self, count: int = 1):
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yields the results of `function` in the order of the jobs.

        `jobs` is read as processes get free, and no further.

        Raises:
          DataError: a process was killed.
          Exception: what `function` raised.
        """
        iterator = iter(jobs)
        for job in iterator:
            yield function(job)
            if self.count > 1:
                break
        waiting: deque[Future[R]] = deque()
        try:
            for job in iterator:
                waiting.append(self._started().submit(function, job))
                if len(waiting) >= _WAITING * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            self._pool = None
            raise DataError(
                f"one of {self.count} processes was killed, perhaps as memory ran out; the same "
                f"command goes on where it stopped, and --num_workers=1 takes less memory"
            ) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # A forked process would have copies of this one's locks, TensorFlow's among them.
            context: Any = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, context, _begin)
        return self._pool


def _begin() -> None:
    """Makes a process leave Ctrl-C to the one that started it, and end when that one is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The jobs make millions of objects and no cycles: to look for some took a sixth of the time.
    gc.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
