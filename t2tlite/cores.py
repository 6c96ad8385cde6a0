"""The processor cores that this process may use: `available`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path


def available(root: Path = Path("/")) -> int:
    """Returns the number of cores that this process may use, at least 1.

    That is the minimum of its CPU affinity (`taskset`, `cpuset`) and of the quotas of its control
    groups (`docker --cpus`, Kubernetes' limits), rounded up. `root` is the folder of proc and sys.
    """
    return max(1, min(schedulable(), *_quotas(root), os.cpu_count() or 1))


def schedulable() -> int:
    """Returns the number of cores that this process runs on, whatever share of their time it gets.

    TensorFlow and JAX start as many threads by themselves.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[int]:
    """Yields the cores that each control group (version 1 or 2) of this process allows."""
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, path = line.split(":", 2)
        top = root / "sys/fs/cgroup"
        if "cpu" in controllers.split(","):
            top /= "cpu"
        elif controllers:
            continue
        group = top / path.lstrip("/")
        while group.is_relative_to(top):
            quota, period = _quota(group)
            if quota > 0:
                yield math.ceil(quota / period)
            group = group.parent


def _quota(group: Path) -> tuple[int, int]:
    """Returns the microseconds of processor time a period, and the period; 0 without a limit."""
    try:
        if (limit := group / "cpu.max").exists():
            quota, period = limit.read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        return (0 if quota == "max" else int(quota)), int(period)
    except (OSError, ValueError):
        return 0, 1
