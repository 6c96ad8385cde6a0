"""Searches with trials that take milliseconds: what they leave, and what can go wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from t2tlite.errors import HParamsError, OutputError
from t2tlite.files import locked
from t2tlite.tune import journal, processes, results

# Runs a search in a process that can be killed.
DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import command, search_of
from t2tlite.tune import tune
tune.POLL_SECONDS = 0.01
behaviour = dict.fromkeys("0123", "saves slowly")
tune.tune(search_of(Path(sys.argv[2])), command(behaviour=behaviour))
"""


def starts(folder):
    """Process ids of a trial's starts."""
    path = folder / "starts"
    lines = path.read_text().split() if path.exists() else []
    return [int(line) for line in lines if line != "ended"]


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def states(trials):
    return [results.STATES[trial.state] for trial in trials]


def contents(trials):
    """All of the trials but the times at which they were copied."""
    return [
        (trial.number, trial.state, trial.params, trial.intermediate_values, trial.user_attrs)
        for trial in trials
    ]


def reason(trial):
    return trial.user_attrs[journal.REASON]


def test_a_resumed_search_adds_trials_and_repeats_none(search, tmp_path):
    first, _ = search(max_trials=2)
    both, _ = search(max_trials=3)
    assert contents(both[:2]) == contents(first)
    assert len(both) == 3
    assert all(len(starts(tmp_path / "search" / str(i))) == 1 for i in range(3))


def test_trials_that_fall_behind_are_pruned(search):
    trials, _ = search(dict.fromkeys("4567", "slow"), max_trials=8, steps=10)
    assert states(trials[:4]) == ["finished"] * 4
    values = sorted(trial.value for trial in trials[:4])
    pruned = [trial for trial in trials if results.STATES[trial.state] == "pruned"]
    assert pruned
    for trial in pruned:
        assert len(trial.intermediate_values) < 10
        assert trial.value < values[-1]
        assert reason(trial).startswith("worse than the median at step ")


@pytest.mark.parametrize(
    ("behaviour", "state", "message"),
    [
        ("crash", "failed", "t2t-trainer: no data: generate it"),
        ("memory", "failed", "killed by SIGKILL; the machine may have run out of memory"),
        ("diverge", "pruned", "the loss was not finite"),
    ],
)
def test_the_search_goes_on_after_a_trial_that_fails(search, behaviour, state, message):
    trials, done = search({"0": behaviour}, max_trials=2)
    assert done
    assert states(trials) == [state, "finished"]
    assert reason(trials[0]) == message


def test_a_cause_that_all_trials_share_ends_the_search(search, tmp_path):
    behaviour = {"0": "memory", **dict.fromkeys("123456789", "crash")}
    message = "3 trials in a row failed for the same reason; the last, 3: .*no data: .*log.txt"
    with pytest.raises(HParamsError, match=message):
        search(behaviour, max_trials=10)
    assert not (tmp_path / "search" / "4").exists()
    # Once the cause is fixed, the search goes on; what the machine caused is run again.
    trials, _ = search(max_trials=5)
    assert states(trials) == ["finished", "failed", "failed", "failed", "finished"]


@pytest.mark.parametrize("behaviour", ["memory", "disk"])
def test_trials_that_failed_because_of_the_machine_run_again(search, said, behaviour):
    first, done = search({"1": behaviour}, max_trials=3)
    assert done
    # Not in the same search, where memory or space may still be short.
    assert states(first) == ["finished", "failed", "finished"]
    message = "failed for a reason of the machine: 1; the same command runs them again"
    assert said()[-1] == message
    again, _ = search({"1": behaviour}, max_trials=3)
    assert contents(again) == contents(first)
    last, _ = search(max_trials=3)
    assert states(last) == ["finished"] * 3
    assert last[1].params == first[1].params


def test_if_the_machine_failed_all_trials_the_same_command_runs_them_again(search):
    with pytest.raises(HParamsError, match="No space left .*; fix that and run the same command$"):
        search({"0": "disk"}, max_trials=1)
    trials, _ = search(max_trials=1)
    assert states(trials) == ["finished"]


def test_if_all_trials_failed_more_can_be_added(search):
    with pytest.raises(HParamsError, match="; then raise --autotune_max_trials$"):
        search({"0": "crash"}, max_trials=1)
    trials, _ = search(max_trials=2)
    assert states(trials) == ["failed", "finished"]


def test_a_trial_that_did_all_its_steps_is_not_pruned(search):
    trials, _ = search(dict.fromkeys("4567", "lingers"), max_trials=8, steps=1)
    assert states(trials) == ["finished"] * 8


def test_parallel_trials_share_the_cores(search, tmp_path):
    trials, _ = search(dict.fromkeys("0123", "slow"), parallel_trials=2)
    assert states(trials) == ["finished"] * 4
    cores = {(tmp_path / "search" / str(i) / "cores").read_text() for i in range(4)}
    shares = {str(sorted(slot.cores)) for slot in processes.divide_machine(2, 1)}
    assert cores == shares
    assert len(shares) == min(2, len(os.sched_getaffinity(0)))


def test_an_interrupted_search_resumes_its_trials(search, tmp_path):
    trials, done = search({"1": "interrupt"}, max_trials=2)
    assert not done
    assert states(trials) == ["finished", "running"]
    trials, done = search(max_trials=2)
    assert done
    assert states(trials) == ["finished"] * 2
    log = (tmp_path / "search" / "1" / processes.LOG).read_text().split("\n")
    assert log[0] == "at step 0"
    assert log[1] in ("at step 2", "at step 3")


def test_a_trial_that_somebody_stops_resumes(search, tmp_path):
    trials, done = search({"0": "terminate"}, max_trials=1)
    assert done
    assert states(trials) == ["finished"]
    log = (tmp_path / "search" / "0" / processes.LOG).read_text()
    assert log == "at step 0\nat step 2\n"


def test_a_kill_changes_nothing(search, tmp_path):
    folder = tmp_path / "killed"
    arguments = [str(Path(__file__).parent), str(folder)]
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, *arguments])
    wait_for(lambda: (folder / "1" / "checkpoint.json").exists())
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    resumed, done = search(folder=folder)
    assert done
    # The second process of the trial waited for the first.
    lines = (folder / "1" / "starts").read_text().split()
    assert len(lines) == 4
    assert lines[1] == lines[3] == "ended"
    undisturbed, _ = search()
    assert contents(resumed) == contents(undisturbed)


def test_a_second_search_in_the_same_folder_is_refused(search, tmp_path):
    with (
        locked(tmp_path / "search" / ".tuning.lock"),
        pytest.raises(OutputError, match="another search runs in .*search; wait for it or choose"),
    ):
        search()
