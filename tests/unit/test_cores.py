"""How many cores a process may use."""

import os
import subprocess
import sys

import pytest

from t2tlite import cores


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Writes files of the kernel of a machine of 8 cores; returns the cores found."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)

    def found(groups, **files):
        for name, text in {"proc/self/cgroup": groups, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return cores.available(tmp_path)

    return found


def test_without_a_limit(kernel, tmp_path):
    assert cores.available(tmp_path / "none") == 8
    assert kernel("0::/\n", **{"sys/fs/cgroup/cpu.max": "max 100000\n"}) == 8
    assert kernel("0::/\n", **{"sys/fs/cgroup/cpu.max": ""}) == 8


@pytest.mark.parametrize(
    ("limit", "expected"), [("200000", 2), ("150000", 2), ("1000", 1), ("990000", 8)]
)
def test_control_groups_of_version_2(kernel, limit, expected):
    assert kernel("0::/\n", **{"sys/fs/cgroup/cpu.max": f"{limit} 100000\n"}) == expected


def test_the_strictest_group_counts(kernel):
    limits = {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"}
    assert kernel("0::/a/b\n", **limits) == 3


def test_control_groups_of_version_1(kernel):
    period = {"sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "50000\n"}
    groups = "5:memory:/m\n4:cpu,cpuacct:/a\n"
    quota = "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us"
    assert kernel(groups, **period, **{quota: "200000\n"}) == 4
    assert kernel(groups, **period, **{quota: "-1\n"}) == 8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can't be chosen here")
def test_affinity_counts():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from t2tlite import cores; print(cores.available(), cores.schedulable())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1", "1"]
