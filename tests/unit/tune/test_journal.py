"""The journal of a search: what it refuses, and what a kill or a full disk may leave."""

import errno
import json
import os

import pytest
from optuna.storages.journal import JournalFileBackend

from t2tlite.errors import CheckpointError, DataError, OutputError
from t2tlite.tune import journal
from tests.unit.tune.conftest import search_of


@pytest.fixture
def opened(tmp_path):
    """A function that opens the journal of the same folder, with changes to the search."""
    return lambda **changes: journal.Journal(search_of(tmp_path, **changes))


def test_an_unfinished_trial_comes_before_new_ones(opened):
    first = opened().next_trial([])
    again = opened().next_trial([])
    assert again.number == 0
    assert again.params == first.params
    assert opened().next_trial([0]).number == 1
    assert opened(max_trials=2).next_trial([0, 1]) is None


def test_what_is_drawn_depends_on_seed_and_number(opened, tmp_path):
    trials = [opened().next_trial(range(n)).params for n in range(3)]
    (tmp_path / "other").mkdir()
    other = journal.Journal(search_of(tmp_path / "other"))
    assert [other.next_trial(range(n)).params for n in range(3)] == trials
    assert len({str(params) for params in trials}) == 3


def test_another_search_in_the_same_folder_is_refused(opened):
    opened()
    message = r"holds a search with ranges hidden_size=\[32, 64\], not \[32, 128\]"
    with pytest.raises(CheckpointError, match=message):
        opened(description={"--problem": "p", "ranges": {"hidden_size": (32, 128)}})


def test_a_line_that_was_cut_off_is_removed(opened, tmp_path):
    opened().next_trial([])
    path = tmp_path / journal.NAME
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "stu')
    assert opened().next_trial([0]).number == 1
    assert path.read_bytes().startswith(whole)
    assert [trial.number for trial in opened().trials()] == [0, 1]


def test_a_damaged_journal_is_an_error(opened, tmp_path):
    opened()
    path = tmp_path / journal.NAME
    path.write_bytes(b"garbage\n" + path.read_bytes())
    with pytest.raises(DataError, match=r"tuning.journal is damaged .*; choose a new --output_dir"):
        opened()


LINES = [b"[1]", b"null", b"{}", b'{"op_code": 99, "worker_id": "x"}', b"[" * 100_000, b"\xff"]


@pytest.mark.parametrize("line", LINES)
def test_lines_that_are_not_optunas(opened, tmp_path, line):
    opened()
    path = tmp_path / journal.NAME
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(DataError, match=r"tuning.journal is damaged .*; choose a new") as caught:
        opened()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", ["[1]", '{"../up": 1}', "3"])
def test_values_of_a_trial_that_are_none(opened, tmp_path, values):
    trial = opened().next_trial([])
    trial.set_user_attr(journal.VALUES, json.loads(values))
    with pytest.raises(DataError, match=r"tuning.journal is damaged"):
        opened()


def test_a_trial_of_another_search_is_not_overwritten(opened, tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "hparams.json").write_text("{}")
    with pytest.raises(OutputError, match=r"0 holds a trial that isn't in tuning\.journal; choose"):
        opened().next_trial([])


def test_a_full_disk_is_one_line(opened, monkeypatch):
    trials = opened()

    def fail(self, logs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(JournalFileBackend, "append_logs", fail)
    with pytest.raises(OutputError, match=r"can't write .*tuning.journal: No space left.*; free"):
        trials.next_trial([])
