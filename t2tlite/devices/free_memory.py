"""How much memory there is for a training, before it starts."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

from t2tlite.devices.devices import Devices


def find(device: Devices, root: Path = Path("/")) -> int | None:
    """Returns the bytes that this process can have on one device, those included that it has.

    On a CPU that is the least of what is free and of what the control groups and `ulimit -v` leave.

    Args:
      device: where training runs.
      root: where /proc and /sys are.

    Returns:
      Bytes, or None where nobody tells.
    """
    if device.kind == "CPU":
        return _host(root)
    if device.backend == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return _gpu()


def _host(root: Path) -> int | None:
    free = _number(root / "proc/meminfo", "MemAvailable")
    if not free:
        return None
    import resource

    status = root / "proc/self/status"
    # Not the pages of files: the kernel counts them as available already.
    own = _number(status, "RssAnon")
    rooms = [own + free, *(own + room for room in _group_rooms(root))]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        # Addresses that are reserved without memory behind them are lost to it.
        rooms.append(limit - _number(status, "VmSize") + _number(status, "VmRSS"))
    return max(0, min(rooms))


def _group_rooms(root: Path) -> Iterator[int]:
    """What the memory control groups of this process and those above leave; versions 2 and 1."""
    listed = root / "proc/self/cgroup"
    for line in listed.read_text().splitlines() if listed.exists() else []:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, names = "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        limit, used, cache = names
        group = root / top / path.lstrip("/")
        while group.is_relative_to(root / top):
            bound = (group / limit).read_text().strip() if (group / limit).exists() else "max"
            if bound != "max":
                # The kernel takes these pages of files back before it refuses memory.
                back = _number(group / "memory.stat", cache)
                yield int(bound) - int((group / used).read_text()) + back
            group = group.parent


def _number(path: Path, name: str) -> int:
    """Returns the bytes that a file of the kernel's tells under a name, 0 if it doesn't."""
    for line in path.read_text().splitlines() if path.exists() else []:
        first, *rest = line.split()
        if first.rstrip(":") == name:
            return int(rest[0]) * (1024 if rest[1:] == ["kB"] else 1)
    return 0


def _gpu() -> int | None:
    """Asks NVIDIA's driver for the first GPU that is visible; TensorFlow doesn't tell."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    gpu, total = ctypes.c_int(), ctypes.c_size_t()
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(gpu), 0)
        or driver.cuDeviceTotalMem_v2(ctypes.byref(total), gpu)
    )
    return None if failed else total.value
