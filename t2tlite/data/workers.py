"""Work spread over processes: results in order, constant memory, no process left behind."""

from __future__ import annotations

import contextlib
import functools
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

# Jobs queued for each process; their samples are in memory.
_QUEUED = 2


class Workers(contextlib.ExitStack):
    """A pool of processes, which starts with the second job: small data don't need it.

    Args:
      count: number of processes; with 1 the jobs run in this process.
    """

    def __init__(self, count: int):
        super().__init__()
        self.count = count

    @functools.cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # A forked process would have copies of this one's locks, TensorFlow's among them.
        context: Any = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.count, context, _initialize)
        self.callback(pool.shutdown, cancel_futures=True)
        return pool

    def map(
        self, function: Callable[[J], R], jobs: Iterable[J], at_once: bool = False
    ) -> Iterator[R]:
        """Yields the results of `function` in the order of the jobs.

        Args:
          function: does a job.
          jobs: iterated over only as fast as processes become free.
          at_once: start the pool for the first job already, which takes long.

        Raises:
          DataError: a process was killed.
          Exception: what `function` raised.
        """
        iterator = iter(jobs)
        for job in () if at_once and self.count > 1 else iterator:
            yield function(job)
            if self.count > 1:
                break
        queue: deque[Future[R]] = deque()
        try:
            for job in iterator:
                queue.append(self._pool.submit(function, job))
                if len(queue) >= _QUEUED * self.count:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        except BrokenProcessPool:
            raise DataError(
                f"one of {self.count} processes was killed, perhaps because memory ran out; run "
                f"the command again to resume, with --num_workers=1 to use less memory"
            ) from None


def _initialize() -> None:
    """Makes a worker ignore Ctrl-C, which its parent handles, and exit when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The jobs create millions of objects and no cycles; looking for cycles took 1/6 of the time.
    gc.disable()
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
