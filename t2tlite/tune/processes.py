"""Trials as processes: a crash, or one for lack of memory, ends a trial and not the search."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from t2tlite.devices import child
from t2tlite.errors import DeviceError

LOG = "log.txt"


@dataclass(frozen=True)
class Place:
    """Where a trial runs.

    Attributes:
      cores: of the CPU; none: all.
      gpus: numbers as CUDA_VISIBLE_DEVICES has them; None: as the search itself.
    """

    cores: frozenset[int] = frozenset()
    gpus: str | None = None


def places(parallel_trials: int, gpus_each: int) -> list[Place]:
    """Divides cores and GPUs among trials that run at once.

    Args:
      parallel_trials: how many.
      gpus_each: GPUs that a trial uses, where there are any.

    Raises:
      DeviceError: there are GPUs, and too few for all trials.
    """
    if parallel_trials == 1:
        return [Place()]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    gpus = _visible_gpus()
    if gpus and len(gpus) < parallel_trials * gpus_each:
        raise DeviceError(
            f"--autotune_parallel_trials={parallel_trials} of --worker_gpu={gpus_each} need "
            f"{parallel_trials * gpus_each} GPUs, and {len(gpus)} can be seen; run fewer at once, "
            f"or set CUDA_VISIBLE_DEVICES= to train on the CPU"
        )
    return [
        Place(
            # More trials than cores share them.
            frozenset(cores[i % max(len(cores), 1) :: parallel_trials]),
            ",".join(gpus[i * gpus_each : (i + 1) * gpus_each]) if gpus else None,
        )
        for i in range(parallel_trials)
    ]


def _visible_gpus(driver: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [one for one in chosen.split(",") if one and one != "-1"]
    return [str(i) for i, _ in enumerate(driver.iterdir())] if driver.is_dir() else []


class Process:
    """The process of a trial, which stops when this one ends, however it does.

    Args:
      command: what to run.
      folder: of the trial; log.txt there gets what it prints.
      place: where it runs.
      lease: stays locked until the process ends.
    """

    def __init__(self, command: Sequence[str], folder: Path, place: Place, lease: IO[bytes]):
        self.folder = folder
        environment = dict(os.environ)
        if place.gpus is not None:
            environment["CUDA_VISIBLE_DEVICES"] = place.gpus
        with open(folder / LOG, "ab") as log:
            self._process = subprocess.Popen(
                child.command(command, signal.SIGTERM, place.cores),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=[lease.fileno()],
                # Ctrl-C is the search's, which tells its trials by itself.
                start_new_session=True,
            )

    def status(self) -> int | None:
        """The exit status, that of a signal negative; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Asks it to save and end."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it at once, and waits for that."""
        self._process.kill()
        self._process.wait()

    def why(self) -> str:
        """Why it failed: how it was killed, or the last line that it printed."""
        status = self._process.returncode
        if status is not None and status < 0:
            name = signal.Signals(-status).name
            memory = "; the machine may have run out of memory" if status == -signal.SIGKILL else ""
            return f"killed by {name}{memory}"
        lines = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
        told = [line.strip() for line in lines if line.strip()]
        return told[-1] if told else f"ended with status {status}, and said nothing"
