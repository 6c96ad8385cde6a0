"""How parallel trials share the machine, and how a trial is started."""

import os
import shutil
import signal
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


@pytest.mark.parametrize(
    ("status", "output", "of_machine"),
    [
        (-signal.SIGKILL, "step 1", True),
        (-signal.SIGTERM, "", True),
        (1, "t2t-trainer: out of memory: the model's weights don't fit; lower hidden_size", True),
        (1, "Traceback ...\nOSError: [Errno 28] No space left on device: 'x'\n", True),
        (1, "t2t-trainer: --worker_gpu=4: TensorFlow sees no GPU; drop the flag", True),
        (1, "Traceback ...\nOSError: [Errno 2] No such file or directory: 'x'\n", False),
        (2, "t2t-trainer: --x isn't a flag", False),
        (1, "", False),
    ],
)
def test_why_a_trial_failed(tmp_path, status, output, of_machine):
    (tmp_path / processes.LOG).write_text(output)
    failure = processes.failure(status, tmp_path)
    assert failure.of_machine == of_machine
    assert failure.reason and "\n" not in failure.reason


def test_on_a_full_disk_the_last_line_may_be_lost(tmp_path, monkeypatch):
    (tmp_path / processes.LOG).write_text("step 1")
    full = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: full)
    failure = processes.failure(1, tmp_path)
    assert failure.of_machine
    assert failure.reason == f"the disk of {tmp_path} is full; its last output: step 1"
