"""Locks in files, which the kernel frees after any end of a process, and machines share."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from t2tlite.files import make_folder

# In a trial's folder: one held by the search that runs it, one by its process, which may take some
# seconds to save when the search was killed. The kernel frees them, however either ends.
_SEARCH_LOCK, _PROCESS_LOCK = ".search.lock", ".process.lock"


class FileLock:
    """What Optuna takes as the lock of a journal: one that the kernel frees after a kill.

    Optuna's own is a file, which after a kill everybody waits for half a minute.
    """

    def __init__(self, path: Path):
        self._path = path

    def acquire(self) -> bool:
        """Waits until it is free."""
        self._file = open(self._path, "wb")  # noqa: SIM115 - until it is released
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Frees it."""
        self._file.close()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *raised: object) -> None:
        self.release()


class Lease:
    """What keeps all others from running a trial.

    Args:
      folder: of the trial; made if need be.

    Raises:
      Busy: another search runs it.
      Leaving: the search that ran it is gone, and its process about to end.
    """

    def __init__(self, folder: Path):
        make_folder(folder)
        with contextlib.ExitStack() as taken:
            taken.enter_context(_held(folder / _SEARCH_LOCK, Busy))
            # What the trial's process inherits.
            self.of_process = taken.enter_context(_held(folder / _PROCESS_LOCK, Leaving))
            self._taken = taken.pop_all()

    def close(self) -> None:
        """Lets go of it; its process may still hold its part."""
        self._taken.close()


class Busy(Exception):
    """Another search runs a trial."""


class Leaving(Exception):
    """A trial's process outlives its search by some seconds."""


@contextlib.contextmanager
def _held(path: Path, otherwise: type[Exception]) -> Iterator[IO[bytes]]:
    """Locks a file, or raises `otherwise` where somebody has."""
    with open(path, "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise otherwise from None
        yield file
