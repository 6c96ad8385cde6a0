"""What a process that ends with its parent runs first: see `command`.

Python code between fork and exec of a process with threads, those of JAX say, may deadlock; here it
runs in a process of its own, which then becomes the command.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Sequence

# Of Linux's prctl: which signal a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


def command(
    words: Sequence[str], at_parents_end: signal.Signals, cores: Iterable[int] = ()
) -> list[str]:
    """Returns the words of a process that runs a command while this one lives.

    Args:
      words: the command.
      at_parents_end: what it gets when this process ends, however it does; on Linux only.
      cores: of the CPU, where it shall run; none: all.
    """
    places = ",".join(str(core) for core in sorted(cores))
    before = [sys.executable, "-I", __file__, str(os.getpid()), str(int(at_parents_end)), places]
    return [*before, *words]


def main() -> None:
    """Ties this process to its parent and its cores, then runs the command in its place."""
    parent, number, cores, *words = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != int(parent):
        sys.exit("the process that started this one ended before it ran")
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
