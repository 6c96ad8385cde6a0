"""Runs a command in a process that gets a signal when its parent ends; see `command`.

Python code between fork and exec may deadlock in a process with threads, such as JAX's. Therefore
this file runs in a process of its own, which then executes the command.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Sequence

# Linux's prctl option for the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


def command(
    words: Sequence[str], at_parents_end: signal.Signals, cores: Iterable[int] = ()
) -> list[str]:
    """Returns the command line of a process that runs `words` as long as this process lives.

    Args:
      words: the command.
      at_parents_end: the signal for it when this process ends, even if killed; on Linux only.
      cores: CPU cores for it to run on; none: all.
    """
    core_list = ",".join(str(core) for core in sorted(cores))
    parent, number = str(os.getpid()), str(int(at_parents_end))
    return [sys.executable, "-I", __file__, parent, number, core_list, *words]


def main() -> None:
    """Sets the signal at the parent's end and the CPU cores, then executes the command."""
    parent, number, cores, *words = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != int(parent):
        sys.exit("the parent process ended before this process could run")
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
