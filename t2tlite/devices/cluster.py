"""Several machines that train one model: who they are, and what to do when one goes away."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from t2tlite.devices import child
from t2tlite.errors import DeviceError, WorkerError

log = logging.getLogger(__name__)

# Seconds that machines wait for each other to start: the lost one may be started by hand.
JOIN_SECONDS = 24 * 3600

# Seconds of silence after which JAX takes a machine for lost; its own default is 100.
SILENCE_SECONDS = 30

# Set in the environment of a process that `run_again_when_lost` started.
_WATCHED = "T2TLITE_WATCHED"

# The exit status of one that lost another machine: EX_TEMPFAIL of sysexits.h.
_LOST_STATUS = 75

# So many aborts in a row, each within so many seconds, are no machines that came back too soon.
_MOST_ABORTS, _LONG_SECONDS = 3, 600

# What the errors of JAX and its collectives say where another process is gone.
LOST = ("Gloo", "onnection", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "peer")


class Cluster(NamedTuple):
    """The machines of TF_CONFIG.

    Attributes:
      addresses: "host:port" of each, the chief first; none where this machine trains alone.
      worker: which of them this one is.
    """

    addresses: tuple[str, ...] = ()
    worker: int = 0

    @property
    def workers(self) -> int:
        """How many machines there are."""
        return max(1, len(self.addresses))


def read(tf_config: str) -> Cluster:
    """Reads the value of TF_CONFIG.

    Raises:
      DeviceError: it isn't what t2t-make-tf-configs prints.
    """
    if not tf_config:
        return Cluster()
    try:
        found = json.loads(tf_config)
        machines = found.get("cluster", {})
        if not machines:
            return Cluster()
        kind, index = found["task"]["type"], int(found["task"]["index"])
        chiefs, workers = (list(machines.get(one, [])) for one in ("chief", "worker"))
        mine = {"chief": chiefs, "worker": workers}[kind]
        if set(machines) - {"chief", "worker"} or not 0 <= index < len(mine):
            raise ValueError("a job other than chief and worker, or a task that isn't in it")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeviceError(
            f"TF_CONFIG can't be used ({error!r}): expected "
            f'{{"cluster": {{"worker": ["host:port", ...]}}, "task": {{"type": "worker", "index": '
            f"0}}}}; make it with t2t-make-tf-configs"
        ) from None
    return Cluster((*chiefs, *workers), index + (len(chiefs) if kind == "worker" else 0))


def current() -> Cluster:
    """The machines of this process's TF_CONFIG; see `read`."""
    return read(os.environ.get("TF_CONFIG", ""))


@contextlib.contextmanager
def told_lost_workers(workers: int) -> Iterator[None]:
    """Turns what TensorFlow or JAX raises when another machine goes away into a user's error.

    Args:
      workers: machines that train together.

    Raises:
      WorkerError: another machine went away.
    """
    if workers == 1:
        yield
        return
    import tensorflow as tf

    kinds = ["Unavailable", "Aborted", "Cancelled", "DeadlineExceeded", "Internal"]
    lost = tuple(getattr(tf.errors, f"{kind}Error") for kind in kinds)
    try:
        yield
    except Exception as error:
        of_jax = type(error).__name__ in ("XlaRuntimeError", "JaxRuntimeError")
        if not isinstance(error, lost) and not (
            of_jax and any(word in str(error) for word in LOST)
        ):
            raise
        raise WorkerError(
            f"another machine went away ({type(error).__name__}); start the same command on all "
            f"of them: training goes on from the newest checkpoint"
        ) from error


def is_watched() -> bool:
    """Whether `run_again_when_lost` started this process, whose parent has told what it does."""
    return _WATCHED in os.environ


def run_again_when_lost() -> None:
    """Goes on in a process of its own, which runs again whenever it loses another machine.

    Neither TensorFlow nor JAX can join machines anew within a process. One that has noticed the
    loss ends by `give_up`; JAX aborts one that a restarted machine calls before it has.

    Returns in that process. The calling one hands SIGINT and SIGTERM on to it, and ends with its
    exit status.
    """
    if os.environ.pop(_WATCHED, None):
        return
    aborts, stopped = 0, False

    def hand_on(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True
        process.send_signal(number)

    while True:
        began = time.monotonic()
        process = subprocess.Popen(
            child.command([sys.executable, *sys.orig_argv[1:]], signal.SIGKILL),
            env={**os.environ, _WATCHED: "1"},
            # A terminal's Ctrl-C comes here alone, so that it is handed on once.
            start_new_session=True,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, hand_on)
        status = process.wait()
        # One that aborts again and again has another trouble than a lost machine.
        soon = time.monotonic() - began < _LONG_SECONDS
        aborts = 1 + aborts * soon if status == -signal.SIGABRT else 0
        lost = status == _LOST_STATUS or 0 < aborts <= _MOST_ABORTS
        if stopped or not lost:
            # As a shell tells that a signal ended a process.
            sys.exit(status if status >= 0 else 128 - status)
        if aborts:
            log.warning("aborted, as JAX does when another machine went away; runs again")


def give_up() -> NoReturn:
    """Ends a process that lost another machine; see `run_again_when_lost`."""
    sys.stdout.flush()
    sys.exit(_LOST_STATUS)
