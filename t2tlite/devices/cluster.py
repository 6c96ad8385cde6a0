"""Several machines that train one model: TF_CONFIG, waiting for them, losing one of them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from t2tlite.devices import child_process
from t2tlite.errors import DeviceError, WorkerError
from t2tlite.libraries import tensorflow_errors

log = logging.getLogger(__name__)

# How long machines wait for each other to start; a lost one may have to be started by hand.
JOIN_SECONDS = 24 * 3600

# Seconds without a heartbeat after which JAX considers a machine lost; JAX's default is 100.
HEARTBEAT_SECONDS = 30

# Set in the environment of a process that `supervise` started.
_SUPERVISED = "T2TLITE_SUPERVISED"

# Exit status of a process that lost another machine: EX_TEMPFAIL of sysexits.h.
_LOST_STATUS = 75

# Give up after more than this many consecutive aborts, each within this many seconds.
_MAX_ABORTS, _ABORT_SECONDS = 3, 600

# What the errors of JAX and its collectives contain when another process is gone.
LOST = re.compile("Gloo|onnection|UNAVAILABLE|DEADLINE_EXCEEDED|ABORTED|CANCELLED|peer")


class Cluster(NamedTuple):
    """The machines of TF_CONFIG that train.

    Attributes:
      addresses: "host:port" of each, the chief first; empty if this machine trains alone.
      worker: index of this machine; -1 if T2T would run a parameter server on it.
      parameter_servers: "host:port" of each; they aren't used.
    """

    addresses: tuple[str, ...] = ()
    worker: int = 0
    parameter_servers: tuple[str, ...] = ()

    @property
    def workers(self) -> int:
        """Number of machines."""
        return max(1, len(self.addresses))

    def tf_config(self, worker: int) -> str:
        """Returns the TF_CONFIG of a machine, as TensorFlow and `current` read it."""
        task = {"type": "worker", "index": worker}
        return json.dumps({"cluster": {"worker": self.addresses}, "task": task})


def arrange(jobs: Mapping[str, Sequence[str]]) -> Cluster:
    """Returns the machines of T2T's or TensorFlow's jobs: chief, worker, master, ps.

    Beside a master, T2T's ps are the workers of a synchronous training. Beside a chief they are the
    parameter servers of an asynchronous one, which is synchronous here and needs none.

    Raises:
      ValueError: there is another job.
    """
    if unknown := set(jobs) - {"master", "chief", "worker", "ps"}:
        raise ValueError(f"the job {min(unknown)}")
    servers = tuple(jobs.get("ps", ()))
    if "master" in jobs:
        return Cluster((*jobs["master"], *jobs.get("worker", ()), *servers))
    return Cluster((*jobs.get("chief", ()), *jobs.get("worker", ())), 0, servers)


def current() -> Cluster:
    """Returns the machines of this process's TF_CONFIG.

    Raises:
      DeviceError: it isn't of the form that t2t-make-tf-configs prints.
    """
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
        jobs = config.get("cluster", {})
        if not jobs:
            return Cluster()
        kind, index = config["task"]["type"], int(config["task"]["index"])
        if not 0 <= index < len(jobs[kind]):
            raise ValueError("a task that isn't in its job")
        machines, address = arrange(jobs), jobs[kind][index]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeviceError(
            f"TF_CONFIG can't be used ({error!r}): expected "
            f'{{"cluster": {{"worker": ["host:port", ...]}}, "task": {{"type": "worker", "index": '
            f"0}}}}; generate it with t2t-make-tf-configs"
        ) from None
    if address in machines.parameter_servers:
        return machines._replace(worker=-1)
    return machines._replace(worker=machines.addresses.index(address))


@contextlib.contextmanager
def joining(cluster: Cluster) -> Iterator[None]:
    """Logs that a block waits for the other machines, lets Ctrl-C end it, and explains errors."""
    worker, workers = cluster.worker, cluster.workers
    if cluster.parameter_servers:
        log.warning(
            "the parameter servers of TF_CONFIG aren't used: its %d machines of chief and worker "
            "train synchronously, each batch is split among them",
            workers,
        )
    log.info("machine %d of %d of TF_CONFIG: waiting for the others", worker, workers)
    # TensorFlow and JAX wait in C++, where Python can't handle the signal.
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    failures: tuple[type[BaseException], ...] = (
        RuntimeError,
        ValueError,
        *tensorflow_errors("OpError"),
    )
    try:
        yield
    except failures as error:
        raise DeviceError(
            f"the machines of TF_CONFIG didn't connect ({str(error).splitlines()[0]}); start the "
            f"same command on all of them, and check that they can listen on their ports"
        ) from error
    finally:
        signal.signal(signal.SIGINT, handler)
    log.info("all %d machines are connected", workers)


def is_from_jax(error: BaseException) -> bool:
    """Whether an exception is JAX's error at run time, without importing JAX."""
    return type(error).__name__ in ("XlaRuntimeError", "JaxRuntimeError")


@contextlib.contextmanager
def lost_worker_errors(workers: int) -> Iterator[None]:
    """Raises a WorkerError for the errors of TensorFlow or JAX when one of `workers` is lost."""
    try:
        yield
    except Exception as error:
        kinds = ("Unavailable", "Aborted", "Cancelled", "DeadlineExceeded", "Internal")
        lost = isinstance(error, tensorflow_errors(*(f"{kind}Error" for kind in kinds)))
        lost = lost or (is_from_jax(error) and bool(LOST.search(str(error))))
        if workers == 1 or not lost:
            raise
        raise WorkerError(
            f"another machine went away ({type(error).__name__}); start the same command on all "
            f"machines: training resumes from the newest checkpoint"
        ) from error


def is_supervised() -> bool:
    """Whether `supervise` started this process."""
    return _SUPERVISED in os.environ


def supervise() -> None:
    """Continues in a child process, which is started again whenever it loses another machine.

    Neither TensorFlow nor JAX can connect to machines again within a process. A process that
    notices the loss ends by `exit_for_restart`. JAX aborts one to which a restarted machine
    connects before that.

    Returns only in the child. The parent forwards SIGINT and SIGTERM to the child and exits with
    its status.
    """
    if os.environ.pop(_SUPERVISED, None):
        return
    if current().worker < 0:
        raise DeviceError(
            "TF_CONFIG makes this machine a parameter server, which no training here needs; start "
            "the command on the machines of chief and worker only"
        )
    aborts, stopped = 0, False

    def forward(number: int, frame: Any) -> None:
        nonlocal stopped
        stopped = True
        process.send_signal(number)

    while True:
        start = time.monotonic()
        process = subprocess.Popen(
            child_process.command([sys.executable, *sys.orig_argv[1:]], signal.SIGKILL),
            env={**os.environ, _SUPERVISED: "1"},
            # Otherwise a terminal's Ctrl-C would reach the child twice.
            start_new_session=True,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, forward)
        status = process.wait()
        # Repeated aborts have another cause than a lost machine.
        is_soon = time.monotonic() - start < _ABORT_SECONDS
        aborts = 1 + aborts * is_soon if status == -signal.SIGABRT else 0
        lost = status == _LOST_STATUS or 0 < aborts <= _MAX_ABORTS
        if stopped or not lost:
            # A shell's status for a process that a signal ended.
            sys.exit(status if status >= 0 else 128 - status)
        if aborts:
            log.warning("aborted, as JAX does when another machine went away; starting again")


def exit_for_restart() -> NoReturn:
    """Ends a process that lost another machine, so that `supervise` starts it again."""
    sys.stdout.flush()
    sys.exit(_LOST_STATUS)
