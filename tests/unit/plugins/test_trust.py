"""The plugin folders that a model folder may name: those that this user has loaded before."""

import json
import os

import pytest

from t2tlite.plugins import trust


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "t2tlite" / "plugin_folders.json"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def test_only_what_was_remembered_is_trusted(folder, state, monkeypatch):
    assert not trust.is_trusted(str(folder))
    trust.remember(folder)
    assert trust.is_trusted(str(folder))
    # Compared as text: no other spelling of the path, and nothing below it.
    monkeypatch.chdir(folder.parent)
    for other in ("mine", "./mine", f"{folder}/", f"{folder}/../mine", f"{folder}/sub", ""):
        assert not trust.is_trusted(other)
    assert json.loads(state.read_text()) == {str(folder): os.getuid()}


def test_several_folders(folder, tmp_path):
    (tmp_path / "other").mkdir()
    trust.remember(folder)
    trust.remember(tmp_path / "other")
    assert trust.is_trusted(str(folder))
    assert trust.is_trusted(str(tmp_path / "other"))


def test_a_folder_of_another_owner_at_the_same_path(folder, state):
    trust.remember(folder)
    state.write_text(json.dumps({str(folder): os.getuid() + 1}))
    assert not trust.is_trusted(str(folder))
    trust.remember(folder)
    assert trust.is_trusted(str(folder))


def test_a_folder_that_is_gone_is_still_trusted_and_a_new_one_is_not(folder, tmp_path):
    trust.remember(folder)
    folder.rmdir()
    assert trust.is_trusted(str(folder))
    trust.remember(tmp_path / "never")
    assert not trust.is_trusted(str(tmp_path / "never"))


def test_several_paths_in_one_string_are_not_remembered(tmp_path):
    (tmp_path / "a,b").mkdir()
    trust.remember(tmp_path / "a,b")
    assert not trust.is_trusted(str(tmp_path / "a,b"))


@pytest.mark.parametrize("content", [b"", b"[1]", b'"x"', b"\xff\x00", b"[" * 100_000, b"{}"])
def test_a_damaged_file_trusts_nothing_and_is_mended(folder, state, content):
    state.parent.mkdir(parents=True)
    state.write_bytes(content)
    assert not trust.is_trusted(str(folder))
    trust.remember(folder)
    assert trust.is_trusted(str(folder))


def test_a_state_folder_that_cannot_be_written(folder, state, caplog):
    state.parents[1].write_text("a file")
    with caplog.at_level("INFO"):
        trust.remember(folder)
    assert f"model folders will need --t2t_usr_dir={folder} on this machine" in caplog.text
    assert not trust.is_trusted(str(folder))


@pytest.mark.parametrize("state_home", ["", "relative/state"])
def test_the_default_folder(folder, tmp_path, monkeypatch, state_home):
    monkeypatch.setenv("XDG_STATE_HOME", state_home)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    trust.remember(folder)
    assert (tmp_path / "home/.local/state/t2tlite/plugin_folders.json").exists()
