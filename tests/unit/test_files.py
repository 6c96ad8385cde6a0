"""Atomic writes, locks and the recording of opened files."""

import errno
import os
import threading

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from t2tlite.errors import DataError, Error, OutputError
from t2tlite.files import (
    atomic,
    cannot_write,
    folder_path,
    kept_if_filled,
    locked,
    make_folder,
    opened_below,
    plain_name,
    split_paths,
)


@pytest.mark.parametrize(("mode", "content"), [("wb", b"\x00\xff"), ("w", "ü\n")])
def test_writes_and_replaces(tmp_path, mode, content):
    path = tmp_path / "new" / "file"
    for _ in range(2):
        with atomic(path, mode) as file:
            file.write(content)
            assert not path.exists() or path.stat().st_size
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), atomic(path, "w") as file:
        file.write("half")
        file.flush()
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk(tmp_path):
    with (
        pytest.raises(OutputError, match="No space left on device; free some space"),
        atomic(tmp_path / "file"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not os.listdir(tmp_path)


def test_a_path_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="can't write .*choose another folder"),
        atomic(tmp_path / "file" / "below"),
    ):
        pass
    with pytest.raises(OutputError, match="can't write"):
        make_folder(tmp_path / "file" / "below")


def test_advice_for_a_folder_without_permission():
    error = OSError(errno.EACCES, os.strerror(errno.EACCES))
    assert str(cannot_write("/x", error)) == (
        "can't write /x: Permission denied; choose a folder that you may write to"
    )


def test_a_folder_is_created_empty(tmp_path):
    folder = make_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert not os.listdir(folder)


def test_new_folders_are_kept_if_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        with kept_if_filled(tmp_path / name):
            pass
    with pytest.raises(ValueError), kept_if_filled(tmp_path / "new" / "a"):
        make_folder(tmp_path / "new" / "a")
        raise ValueError
    with kept_if_filled(tmp_path / "filled" / "a"):
        make_folder(tmp_path / "filled" / "a")
        (tmp_path / "filled" / "file").touch()
    found = sorted(path.name for path in tmp_path.rglob("*"))
    assert found == ["empty", "file", "filled"]


def test_a_locked_file_is_for_one_process_at_a_time(tmp_path):
    path = tmp_path / "new" / "file"
    with locked(path) as file:
        file.write(b"first")
        with pytest.raises(ValueError, match="busy"), locked(path, ValueError("busy")):
            pass
    with locked(path, ValueError("busy")) as file:
        file.write(b" second")
        file.seek(0)
        assert file.read() == b"first second"


def test_waiting_for_a_lock_ends_with_the_file_that_has_the_name(tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "file"
    contents = []

    def wait():
        with locked(path, waiting="waiting for file") as file:
            file.seek(0)
            contents.append(file.read())

    waiter = threading.Thread(target=wait)
    with locked(path) as file:
        file.write(b"old")
        file.flush()
        waiter.start()
        while not caplog.records:
            waiter.join(0.01)
        path.rename(tmp_path / "finished")
    waiter.join()
    assert contents == [b""]
    assert caplog.messages == ["waiting for file"]
    assert (tmp_path / "finished").read_bytes() == b"old"


def test_a_file_that_is_removed_while_it_is_being_locked_is_made_again(tmp_path, monkeypatch):
    path = tmp_path / "file"

    def fstat(number):  # the process that held the lock removes the file in this moment
        monkeypatch.undo()
        path.unlink()
        return os.fstat(number)

    monkeypatch.setattr("os.fstat", fstat)
    with locked(path) as file:
        assert os.path.samestat(os.fstat(file.fileno()), path.stat())


def test_a_lock_on_a_path_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't write"), locked(tmp_path / "file" / "below"):
        pass


def test_opened_files_are_recorded_below_a_folder_only(tmp_path):
    (tmp_path / "data" / "sub").mkdir(parents=True)
    for name in ("data/before", "data/sub/inside", "database", "data/after"):
        (tmp_path / name).touch()
    (tmp_path / "data/before").read_text()
    with opened_below(tmp_path / "data") as outer:
        with opened_below(tmp_path / "data" / "sub") as inner:
            (tmp_path / "data/sub/inside").read_text()
            (tmp_path / "database").read_text()
        (tmp_path / "data/before").read_text()
    (tmp_path / "data/after").read_text()
    assert inner == {"inside"}
    assert outer == {os.path.join("sub", "inside"), "before"}


@pytest.mark.parametrize("name", ["vocab.model", ".hidden", "..x", "größe 1", "文.txt", "a" * 255])
def test_plain_names(name):
    assert plain_name(name, "run.json") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc/x",
        "a/b",
        "a/",
        "..\\x",
        "a\0b",
        "\ud800",
        "a" * 256,
        1,
        None,
        [],
    ],
)
def test_names_that_lead_elsewhere(name):
    with pytest.raises(DataError, match=r"^run.json: .*isn't a plain file name") as error:
        plain_name(name, "run.json", DataError)
    assert len(str(error.value).splitlines()) == 1


@seed(0)
@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("a./\\\0\n\ud800é文"), max_size=8) | st.text())
def test_a_plain_name_stays_in_its_folder(name):
    try:
        plain_name(name, "x")
    except Error:
        return
    folder = os.path.abspath("folder")
    assert os.path.dirname(os.path.normpath(os.path.join(folder, name))) == folder
    assert os.fsencode(name)


def test_paths_joined_by_commas_may_hold_commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m,rev").mkdir()
    (tmp_path / "m,rev" / "a,b").touch()
    assert split_paths("") == []
    assert split_paths("x,y,,z") == ["x", "y", "z"]
    assert split_paths("x,m,rev/a,b,y,m,rev") == ["x", "m,rev/a,b", "y", "m,rev"]


def test_the_path_of_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert folder_path("~/data", "data_dir") == "/home/me/data"
    assert folder_path(tmp_path, "data_dir") == str(tmp_path)
    assert folder_path("", "tmp_dir", required=False) == ""
    for value in ["", None, 5, b"data", "a\0b", "a" * 99 + "\0"]:
        with pytest.raises(
            DataError, match="^data_dir=.*; expected the path of a folder$"
        ) as caught:
            folder_path(value, "data_dir")
        assert len(str(caught.value)) < 130
