"""Trials as processes: a crash, or a kill for lack of memory, ends a trial and not the search."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from t2tlite.devices import child_process
from t2tlite.devices.free_memory import OUT_OF_MEMORY
from t2tlite.errors import DeviceError

LOG = "log.txt"
# How a trial's last line says that the machine lacks something.
_LACKING = re.compile(
    "|".join(
        [
            *("MemoryError", "sees no GPU", r"sees \d+ GPUs"),
            *map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EIO)),
        ]
    )
)
_LEAST_FREE_BYTES = 2**16


@dataclass(frozen=True)
class Slot:
    """The share of the machine that one of several parallel trials gets.

    Attributes:
      cores: CPU numbers; empty means all.
      gpus: value of CUDA_VISIBLE_DEVICES; None leaves it as it is.
    """

    cores: frozenset[int] = frozenset()
    gpus: str | None = None


def divide_machine(parallel_trials: int, gpus_each: int) -> list[Slot]:
    """Divides the cores, and the GPUs if there are any, among parallel trials.

    Raises:
      DeviceError: there are GPUs, but too few.
    """
    if parallel_trials == 1:
        return [Slot()]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    gpus = _visible_gpus()
    if gpus and len(gpus) < parallel_trials * gpus_each:
        raise DeviceError(
            f"--autotune_parallel_trials={parallel_trials} with --worker_gpu={gpus_each} needs "
            f"{parallel_trials * gpus_each} GPUs, but {len(gpus)} are visible; run fewer trials at "
            f"once, or set CUDA_VISIBLE_DEVICES= to train on the CPU"
        )
    return [
        Slot(
            # If there are more trials than cores, some share a core.
            frozenset(cores[i % max(len(cores), 1) :: parallel_trials]),
            ",".join(gpus[i * gpus_each : (i + 1) * gpus_each]) if gpus else None,
        )
        for i in range(parallel_trials)
    ]


def _visible_gpus(driver: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu and gpu != "-1"]
    return [str(i) for i, _ in enumerate(driver.iterdir())] if driver.is_dir() else []


def start(
    command: Sequence[str], folder: Path, slot: Slot, lock: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Starts a trial. On Linux it gets SIGTERM when this process ends, even by a kill.

    Its output is appended to log.txt in `folder`. It inherits the open, locked file `lock` and
    keeps the lock until it ends.
    """
    gpus = {} if slot.gpus is None else {"CUDA_VISIBLE_DEVICES": slot.gpus}
    with open(folder / LOG, "ab") as log:
        return subprocess.Popen(
            child_process.command(command, signal.SIGTERM, slot.cores),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **gpus},
            pass_fds=[lock.fileno()],
            # Ctrl-C reaches the search alone, which then stops its trials.
            start_new_session=True,
        )


@dataclass(frozen=True)
class Failure:
    """Why a trial failed.

    Attributes:
      reason: one line.
      of_machine: whether the machine caused it, not the trial's hparams: the process was killed,
        memory or disk space ran out, or a GPU is missing. The same trial may succeed later.
    """

    reason: str
    of_machine: bool


def failure(status: int, folder: Path) -> Failure:
    """Returns why a trial failed: the signal (a negative status), or its output's last line."""
    if status < 0:
        name = signal.Signals(-status).name
        memory = "; the machine may have run out of memory" if name == "SIGKILL" else ""
        return Failure(f"killed by {name}{memory}", True)
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    reason = lines[-1] if lines else f"exit status {status} without a message"
    if shutil.disk_usage(folder).free < _LEAST_FREE_BYTES:
        # Then its last lines may be lost.
        return Failure(f"the disk of {folder} is full; its last output: {reason}", True)
    return Failure(reason, bool(OUT_OF_MEMORY.search(reason) or _LACKING.search(reason)))
