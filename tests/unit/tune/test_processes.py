"""How parallel trials share the machine, and how a trial is started."""

import os
import sys

import pytest

from t2tlite.errors import DeviceError
from t2tlite.tune import processes


@pytest.fixture
def machine(monkeypatch):
    """Eight cores, and the GPUs of CUDA_VISIBLE_DEVICES."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)

    def machine(gpus):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)

    machine("")
    return machine


def test_one_trial_has_the_whole_machine(machine):
    assert processes.divide_machine(1, 1) == [processes.Slot()]


@pytest.mark.parametrize("trials", [2, 3, 8])
def test_cores_are_divided(machine, trials):
    cores = [slot.cores for slot in processes.divide_machine(trials, 1)]
    assert sorted(core for share in cores for core in share) == list(range(8))
    assert all(len(share) in (8 // trials, 8 // trials + 1) for share in cores)


def test_more_trials_than_cores_share_them(machine):
    cores = [slot.cores for slot in processes.divide_machine(20, 1)]
    assert all(len(share) == 1 for share in cores)
    assert frozenset.union(*cores) == frozenset(range(8))


def test_each_trial_has_gpus_of_its_own(machine):
    machine("4,5,6,7")
    assert [slot.gpus for slot in processes.divide_machine(2, 2)] == ["4,5", "6,7"]
    with pytest.raises(
        DeviceError, match="needs 6 GPUs, but 4 are visible; run fewer trials at once"
    ):
        processes.divide_machine(3, 2)


def run(folder, code, slot):
    """Runs Python code as a trial; returns its log."""
    with open(folder / "lock", "wb") as lock:
        process = processes.start([sys.executable, "-c", code], folder, slot, lock)
    assert process.wait() == 0
    return (folder / processes.LOG).read_text()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores can't be chosen here")
def test_a_trial_runs_where_it_should(tmp_path):
    core = max(os.sched_getaffinity(0))
    slot = processes.Slot(frozenset({core}), "7")
    code = "import os; print(os.sched_getaffinity(0), os.environ['CUDA_VISIBLE_DEVICES'])"
    assert run(tmp_path, code, slot) == f"{{{core}}} 7\n"


def test_no_code_runs_in_a_fork_of_this_process(tmp_path):
    """JAX's threads may hold locks there."""
    forks = []
    os.register_at_fork(before=lambda: forks.append(1))
    assert run(tmp_path, "print('ran')", processes.Slot()) == "ran\n"
    assert not forks
