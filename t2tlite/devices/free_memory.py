"""How much memory a process can use, and whether an exception says that it ran out."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path

from t2tlite.devices.devices import Devices
from t2tlite.errors import Error
from t2tlite.libraries import tensorflow_errors


def find(device: Devices, root: Path = Path("/")) -> int | None:
    """Returns the bytes that this process can use on one device, including what it already uses.

    On a CPU that is the minimum of the free memory and what control groups and `ulimit -v` allow.
    Returns None if unknown. `root` is the folder of proc and sys.
    """
    if device.kind == "CPU":
        return _host(root)
    if device.backend == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return _gpu()


def peak(device: Devices) -> int | None:
    """Returns the most bytes of a GPU or TPU that this process has held so far; None if unknown."""
    if device.kind == "CPU":
        return None
    if device.backend == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def left(device: Devices, root: Path = Path("/")) -> int | None:
    """Returns the bytes of `find` without those that this process uses, as far as that is known."""
    found = find(device, root)
    if found is None or device.kind != "CPU":
        return found
    return max(0, found - _number(root / "proc/self/status", "RssAnon"))


# TensorFlow and XLA also call a full disk or too many open files an exhausted resource.
OUT_OF_MEMORY = re.compile(
    r"[Oo]ut of memory|OUT_OF_MEMORY|OOM when allocating|[Rr]an out of memory|ALLOC_FAILED|"
    r"([Ff]ailed|[Uu]nable) to allocate|[Cc]annot allocate memory|Dst tensor is not initialized|"
    r"would exceed memory|resource allocation failed"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or one that led to it, says that memory ran out.

    Seen on a CPU under `ulimit -v`: TensorFlow's ResourceExhaustedError, also as the context of a
    MemoryError; JAX's JaxRuntimeError with the code INTERNAL, once results are read. Nothing is
    raised where the kernel kills the process or a library aborts it.
    """
    # RuntimeError: of JAX and CTranslate2.
    backend_errors: tuple[type[BaseException], ...] = (RuntimeError, *tensorflow_errors("OpError"))
    cause: BaseException | None = error
    seen: list[BaseException] = []
    # An `Error` has a message for the user already.
    while cause and cause not in seen and not isinstance(cause, Error):
        of_backend = isinstance(cause, backend_errors)
        if isinstance(cause, MemoryError) or of_backend and OUT_OF_MEMORY.search(str(cause)):
            return True
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    return False


def _host(root: Path) -> int | None:
    free = _number(root / "proc/meminfo", "MemAvailable")
    if not free:
        return None
    import resource

    status = root / "proc/self/status"
    # Without pages of files, which the kernel already counts as available.
    own = _number(status, "RssAnon")
    limits = [own + free, *(own + left for left in _group_limits(root))]
    addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
    if addresses != resource.RLIM_INFINITY:
        # Addresses reserved without memory behind them count against the limit.
        limits.append(addresses - _number(status, "VmSize") + _number(status, "VmRSS"))
    return max(0, min(limits))


def _group_limits(root: Path) -> Iterator[int]:
    """Yields what is left in the memory control groups (version 1 or 2) of this process."""
    groups = root / "proc/self/cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, path = line.split(":", 2)
        top = root / "sys/fs/cgroup"
        limit, used, cache = "memory.max", "memory.current", "inactive_file"
        if "memory" in controllers.split(","):
            top /= "memory"
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        elif controllers:
            continue
        group = top / path.lstrip("/")
        while group.is_relative_to(top):
            bound = (group / limit).read_text().strip() if (group / limit).exists() else "max"
            if bound != "max":
                # The kernel frees these pages of files before it refuses memory.
                freeable = _number(group / "memory.stat", cache)
                yield int(bound) - int((group / used).read_text()) + freeable
            group = group.parent


def _number(path: Path, name: str) -> int:
    """Returns the value of a name in a file of the kernel, in bytes; 0 if it isn't there."""
    for line in path.read_text().splitlines() if path.exists() else []:
        first, *rest = line.split()
        if first.rstrip(":") == name:
            return int(rest[0]) * (1024 if rest[1:] == ["kB"] else 1)
    return 0


def _gpu() -> int | None:
    """Asks NVIDIA's driver for the memory of the first visible GPU; TensorFlow can't."""
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
