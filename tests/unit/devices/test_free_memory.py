"""How much memory a training can use."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from t2tlite.devices import free_memory
from t2tlite.devices.devices import Devices


def kernel(root, **files):
    """Writes files of the kernel, with __ for a slash in their names, and finds the memory."""
    contents = {
        "proc__meminfo": "MemTotal: 99 kB\nMemAvailable:    2000 kB\n",
        "proc__self__status": "VmSize:\t 900 kB\nVmRSS:\t 500 kB\nRssAnon:\t 100 kB\n",
        "proc__self__cgroup": "0::/\n",
        **files,
    }
    for name, text in contents.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return free_memory.find(Devices("tensorflow", "CPU", 1), root)


GROUP_2 = "sys__fs__cgroup__a__memory."
GROUP_1 = "sys__fs__cgroup__memory__memory."


def test_free_memory_and_what_the_process_holds(tmp_path):
    assert kernel(tmp_path) == 2100 * 1024
    assert free_memory.find(Devices("tensorflow", "CPU", 1), tmp_path / "none") is None


def test_control_groups(tmp_path):
    two = {
        "proc__self__cgroup": "0::/a/b\n",
        f"{GROUP_2}max": "1000000\n",
        f"{GROUP_2}current": "700000\n",
        f"{GROUP_2}stat": "anon 5\ninactive_file 50000\n",
        "sys__fs__cgroup__a__b__memory.max": "max\n",
    }
    assert kernel(tmp_path / "2", **two) == 350_000 + 100 * 1024
    one = {
        # A container sees the path on the host, but its own group at the top.
        "proc__self__cgroup": "3:cpu,cpuacct:/x\n2:memory:/docker/x\n",
        f"{GROUP_1}limit_in_bytes": "1000000\n",
        f"{GROUP_1}usage_in_bytes": "999000\n",
        f"{GROUP_1}stat": "inactive_file 5\ntotal_inactive_file 9000\n",
    }
    assert kernel(tmp_path / "1", **one) == 10_000 + 100 * 1024
    unlimited = {f"{GROUP_1}limit_in_bytes": "9223372036854771712\n"}
    assert kernel(tmp_path / "0", **{**one, **unlimited}) == 2100 * 1024


def test_a_limit_of_addresses():
    """`ulimit -v`, in a process of its own; TensorFlow isn't needed."""
    script = (
        "import resource, sys\n"
        "from t2tlite.devices import devices, free_memory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))\n"
        "print(free_memory.find(devices.Devices('tensorflow', 'CPU', 1)))\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 2**27 < int(done.stdout) <= 2**29


def test_gpus(monkeypatch):
    jax = pytest.importorskip("jax")
    stats = {"bytes_limit": 123, "peak_bytes_in_use": 45}
    monkeypatch.setattr(jax, "local_devices", lambda: [SimpleNamespace(memory_stats=lambda: stats)])
    assert free_memory.find(Devices("jax", "GPU", 1)) == 123
    assert free_memory.peak(Devices("jax", "GPU", 1)) == 45
    assert free_memory.peak(Devices("jax", "CPU", 1)) is None
    stats = None
    assert free_memory.find(Devices("jax", "GPU", 1)) is None

    class Driver:
        failed = 0

        def cuInit(self, flags):
            return self.failed

        def cuDeviceGet(self, gpu, ordinal):
            return 0

        def cuDeviceTotalMem_v2(self, total, gpu):
            total._obj.value = 80 * 2**30
            return 0

    monkeypatch.setattr(free_memory.ctypes, "CDLL", lambda name: Driver())
    assert free_memory.find(Devices("tensorflow", "GPU", 1)) == 80 * 2**30
    Driver.failed = 100
    assert free_memory.find(Devices("tensorflow", "GPU", 1)) is None
