"""What a trial's process runs before the trial itself: `python start.py PARENT CORES COMMAND...`.

Python code between fork and exec of a process with threads, those of JAX say, may deadlock; here it
runs in a process of its own, which then becomes the trial.
"""

import ctypes
import os
import signal
import sys

# Of Linux's prctl: which signal a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ties this process to its parent and its cores, then runs the command in its place."""
    parent, cores, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the search ended before its trial started")
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
