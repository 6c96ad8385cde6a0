"""Where trials run that run at once."""

import os

import pytest

from t2tlite.errors import DeviceError
from t2tlite.run.tuning import processes


@pytest.fixture
def machine(monkeypatch):
    """Eight cores, and the GPUs of CUDA_VISIBLE_DEVICES."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)

    def machine(gpus):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)

    machine("")
    return machine


def test_one_trial_has_the_whole_machine(machine):
    assert processes.places(1, 1) == [processes.Place()]


@pytest.mark.parametrize("trials", [2, 3, 8])
def test_cores_are_divided(machine, trials):
    cores = [one.cores for one in processes.places(trials, 1)]
    assert sorted(core for some in cores for core in some) == list(range(8))
    assert all(len(some) in (8 // trials, 8 // trials + 1) for some in cores)


def test_more_trials_than_cores_share_them(machine):
    cores = [one.cores for one in processes.places(20, 1)]
    assert all(len(some) == 1 for some in cores)
    assert frozenset.union(*cores) == frozenset(range(8))


def test_each_trial_has_gpus_of_its_own(machine):
    machine("4,5,6,7")
    assert [one.gpus for one in processes.places(2, 2)] == ["4,5", "6,7"]
    with pytest.raises(DeviceError, match="need 6 GPUs, and 4 can be seen; run fewer at once"):
        processes.places(3, 2)
