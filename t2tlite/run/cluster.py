"""Several machines that train one model: who they are, and what to do when one goes away."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from t2tlite.errors import DeviceError, WorkerError

# Seconds that machines wait for each other to start: the lost one may be started by hand.
JOIN_SECONDS = 24 * 3600

# Seconds of silence after which JAX takes a machine for lost; its own default is 100.
SILENCE_SECONDS = 30

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


def start_again() -> NoReturn:
    """Replaces this process by a new one with the same command line."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
