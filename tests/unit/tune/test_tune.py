"""A search with trials that take milliseconds: what it leaves, and what can go wrong."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from t2tlite.config import HParams
from t2tlite.errors import CheckpointError, DataError, HParamsError, OutputError
from t2tlite.tune import journal, processes, results
from tests.unit.tune.conftest import described

pytest.importorskip("optuna", reason="tuning needs t2tlite[tune]")

# Runs the search of the tests, in a process that can be killed.
DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import command, described
from t2tlite.tune import tune
tune.POLL_SECONDS = 0.01
behaviour = {str(number): "slow" for number in range(int(sys.argv[3]))}
wanted = described(Path(sys.argv[2]), max_trials=int(sys.argv[3]))
tune.tune(wanted, command(behaviour=behaviour))
"""


def driver(folder, max_trials):
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", DRIVER, here, str(folder), str(max_trials)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def starts(folder):
    """Process ids of a trial's starts."""
    path = folder / "starts"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(process):
    """Whether a process runs; one that has ended and that nobody waited for doesn't."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.plots
def test_the_best_of_the_trials_becomes_a_file_of_hparams(search, tmp_path):
    trials, done = search(max_trials=12)
    assert done
    assert [one.number for one in trials] == list(range(12))
    assert {one.state for one in trials} <= {"finished", "pruned"}
    # What the trials learned from each other: later ones are nearer the optimum.
    rates = [one.values["learning_rate_constant"] for one in trials]
    winner = max(trials, key=lambda one: one.value)
    folder = tmp_path / "search"
    assert json.loads((folder / results.BEST).read_text()) == {"num_heads": 4, **winner.values}
    assert HParams().assign_json(folder / results.BEST) == {"num_heads": 4, **winner.values}
    assert 0.5 < winner.values["learning_rate_constant"] < 2
    assert len(set(rates)) == 12
    assert all((folder / name).stat().st_size > 5_000 for name in results.PLOTS)
    header, *rows = (folder / results.TABLE).read_text().splitlines()
    assert header.split("\t") == [
        *("trial", "state", "accuracy", "step", "learning_rate_constant", "hidden_size", "why")
    ]
    assert [float(row.split("\t")[2]) for row in rows] == [one.value for one in trials]


def test_minimizing_finds_the_lowest(search, tmp_path):
    trials, _ = search(maximize=False, max_trials=5)
    finished = [one for one in trials if one.state == "finished"]
    assert all(one.step == 1 for one in finished)
    lowest = min(finished, key=lambda one: one.value)
    assert lowest.value < max(one.value for one in finished)
    assert json.loads((tmp_path / "search" / results.BEST).read_text()) == {
        "num_heads": 4,
        **lowest.values,
    }


def test_a_search_goes_on_to_more_trials_and_repeats_none(search, tmp_path):
    first, _ = search(max_trials=2)
    both, _ = search(max_trials=5)
    assert both[:2] == first
    assert len(both) == 5
    assert all(len(starts(tmp_path / "search" / str(i))) == 1 for i in range(5))


def test_hopeless_trials_are_given_up(search, tmp_path):
    trials, _ = search({str(i): "slow" for i in range(4, 8)}, max_trials=8, steps=20)
    pruned = [one for one in trials if one.state == "pruned"]
    finished = sorted(one.value for one in trials[:4])
    assert pruned
    for one in pruned:
        assert one.number >= journal.PRUNING_STARTS
        assert len(one.reports) < 20
        assert one.value < finished[-1]
        assert one.why.startswith("worse than most were at step ")


@pytest.mark.parametrize(
    ("behaviour", "state", "why"),
    [
        ("crash", "failed", "t2t-trainer: no data: make it"),
        ("memory", "failed", "killed by SIGKILL; the machine may have run out of memory"),
        ("diverge", "pruned", "the loss was not finite"),
    ],
)
def test_a_trial_that_ends_badly_is_not_the_end(search, behaviour, state, why):
    trials, done = search({"1": behaviour})
    assert done
    assert [one.state for one in trials] == ["finished", state, "finished", "finished"]
    assert trials[1].why == why


def test_a_cause_that_all_trials_have_ends_the_search(search, tmp_path):
    behaviour = dict.fromkeys("0123456789", "crash")
    with pytest.raises(HParamsError, match="no trial of 3 got to its end.*no data: make it.*log"):
        search(behaviour, max_trials=10)
    assert not (tmp_path / "search" / "3").exists()
    # Mended, it goes on.
    trials, _ = search(max_trials=5)
    assert [one.state for one in trials] == ["failed"] * 3 + ["finished"] * 2


def test_a_cause_that_comes_later_ends_the_search_too(search, tmp_path):
    behaviour = dict.fromkeys("23456789", "crash")
    with pytest.raises(HParamsError, match="3 trials in a row failed alike.*no data: make it.*log"):
        search(behaviour, max_trials=10)
    assert not (tmp_path / "search" / "5").exists()
    # Killed for lack of memory now and then is a matter of hparams.
    trials, _ = search({"5": "memory", "7": "memory", "9": "memory"}, max_trials=10)
    assert [one.state for one in trials].count("failed") == 6


def test_when_all_trials_failed_more_can_be_made(search):
    with pytest.raises(HParamsError, match="; then raise --autotune_max_trials$"):
        search({"0": "crash"}, max_trials=1)
    trials, _ = search(max_trials=2)
    assert [one.state for one in trials] == ["failed", "finished"]


def test_a_trial_that_did_all_its_steps_is_never_given_up(search):
    behaviour = {str(number): "lingers" for number in range(8)}
    trials, _ = search(behaviour, max_trials=8, steps=1)
    assert [one.state for one in trials] == ["finished"] * 8


def test_trials_share_the_cores(search, tmp_path):
    trials, _ = search({str(i): "slow" for i in range(4)}, parallel_trials=2)
    assert all(one.state == "finished" for one in trials)
    assert [one.number for one in trials] == [0, 1, 2, 3]
    ran_on = {(tmp_path / "search" / str(i) / "cores").read_text() for i in range(4)}
    shares = {str(sorted(one.cores)) for one in processes.places(2, 1)}
    assert ran_on == shares
    assert len(shares) == min(2, len(os.sched_getaffinity(0)))


def test_an_interrupted_search_goes_on_where_its_trials_were(search, tmp_path):
    trials, done = search({"1": "interrupt"})
    assert not done
    assert [one.state for one in trials] == ["finished", "running"]
    trials, done = search()
    assert done
    assert [one.state for one in trials] == ["finished"] * 4
    log = (tmp_path / "search" / "1" / processes.LOG).read_text()
    assert log.split("\n")[0] == "at step 0"
    assert log.split("\n")[1] in ("at step 2", "at step 3")


def test_kills_change_nothing(tmp_path, search):
    folder = tmp_path / "killed"
    for number in (0, 2):
        process = driver(folder, 5)
        before = len(starts(folder / str(number)))
        wait_for(lambda n=number, b=before: len(starts(folder / str(n))) > b)
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    orphan = starts(folder / "2")[-1]
    assert driver(folder, 5).wait(60) == 0
    assert not runs(orphan)
    undisturbed, _ = search(max_trials=5)
    killed = journal.Journal(described(folder, max_trials=5)).trials()
    assert killed == undisturbed
    assert len(starts(folder / "2")) >= 2


def test_two_processes_share_a_search(search, tmp_path):
    folder = tmp_path / "search"
    other = driver(folder, 6)
    wait_for(lambda: starts(folder / "0"))
    trials, done = search({str(i): "slow" for i in range(6)}, max_trials=6)
    assert other.wait(60) == 0
    assert done
    assert {one.state for one in trials} <= {"finished", "pruned"}
    assert len(trials) == 6
    assert all(len(starts(folder / str(i))) == 1 for i in range(6))


def test_another_search_in_the_same_folder_is_refused(search):
    search(max_trials=1)
    other = {"--problem": "p", "ranges": {"hidden_size": (32, 128)}}
    message = r"holds a search with ranges hidden_size=\[32, 64\], not \[32, 128\]"
    with pytest.raises(CheckpointError, match=message):
        search(description=other)


def test_a_torn_journal_is_mended_and_a_damaged_one_told(search, tmp_path):
    search(max_trials=1)
    path = tmp_path / "search" / journal.NAME
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "stu')
    trials, _ = search(max_trials=2)
    assert [one.state for one in trials] == ["finished"] * 2
    path.write_bytes(b"garbage\n" + whole)
    with pytest.raises(DataError, match="damaged"):
        search(max_trials=2)


def test_a_line_that_is_torn_while_others_search_is_mended(search, tmp_path):
    search(max_trials=1)
    path = tmp_path / "search" / journal.NAME
    running = journal.Journal(described(tmp_path / "search", max_trials=2))
    with open(path, "ab") as file:
        file.write(b'{"op_code": 4, "stu')
    taken = running.take()
    taken.end("failed", None, "as it is")
    assert [one.state for one in running.trials()] == ["finished", "failed"]
    trials, _ = search(max_trials=3)
    assert [one.state for one in trials] == ["finished", "failed", "finished"]


def test_a_trial_of_an_unknown_search_is_not_taken(search, tmp_path):
    search(max_trials=1)
    (tmp_path / "search" / journal.NAME).unlink()
    with pytest.raises(OutputError, match="0 holds a trial that tuning.journal doesn't know"):
        search(max_trials=1)


def test_a_trial_that_ends_meanwhile_is_not_taken(search, tmp_path, monkeypatch):
    first = journal.Journal(described(tmp_path / "search", max_trials=1))
    second = journal.Journal(described(tmp_path / "search", max_trials=1))
    taken = first.take()

    def lease(folder):
        monkeypatch.undo()
        taken.end("failed", None, "as it is")
        return journal.Lease(folder)

    monkeypatch.setattr(journal, "Lease", lease)
    assert second.take() is None


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.ENOLCK])
def test_a_journal_that_cannot_be_written_is_one_line(search, monkeypatch, error):
    def fails(self):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(journal.FileLock, "acquire", fails)
    with pytest.raises(OutputError, match=f"can't write .*search: {os.strerror(error)}; "):
        search()


def test_without_optuna_one_line_says_how_to_get_it(search, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(OutputError, match=r"pip install 't2tlite\[tune\]'"):
        search()
