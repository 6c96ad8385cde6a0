"""Damaged files of data folders and of working folders, and where working folders are."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from t2tlite.data import generate, manifest, streams
from t2tlite.data.manifest import is_complete, working_folder
from t2tlite.data.records import shard_paths
from t2tlite.errors import DataError
from tests.unit.data.test_generate import files, interrupted, numbers, write


class TestDamage:
    """A second run after a killed one, whose files were damaged since."""

    @pytest.fixture(autouse=True)
    def small_chunks(self, monkeypatch):
        monkeypatch.setattr(streams, "CHUNK_SAMPLES", 10)

    @pytest.fixture
    def undisturbed(self, tmp_path):
        write(tmp_path / "undisturbed", numbers(64))
        return files(tmp_path / "undisturbed")

    @pytest.mark.parametrize("target", ["write_chunk", "write_merged_shard", "publish"])
    @pytest.mark.parametrize("position", [0, 3, 9, 60, 400, 700, -1])
    def test_a_flipped_bit(self, tmp_path, monkeypatch, undisturbed, target, position):
        """In each file of a killed run; the samples are the same, so the bytes must be."""
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, target, {"write_chunk": 3, "write_merged_shard": 2}.get(target, 0))
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64))
        for path in working_folder(folder, "p").iterdir():
            if path.stat().st_size:
                data = bytearray(path.read_bytes())
                data[position % len(data)] ^= 16
                path.write_bytes(data)
        write(folder, numbers(64))
        assert files(folder) == undisturbed

    @pytest.mark.parametrize("target", ["write_chunk", "write_merged_shard", "publish"])
    @pytest.mark.parametrize(
        "content", [b"", b"[]", b"{}", b"null", b"\xff\x00" * 9, b"[" * 99_999]
    )
    def test_files_with_other_content(self, tmp_path, monkeypatch, undisturbed, target, content):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, target, {"write_chunk": 3, "write_merged_shard": 2}.get(target, 0))
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64))
        for path in working_folder(folder, "p").iterdir():
            path.write_bytes(content)
        write(folder, numbers(64))
        assert files(folder) == undisturbed

    def test_a_chunk_without_metadata(self, tmp_path, monkeypatch, undisturbed):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, "write_merged_shard", 2)
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64))
        for path in working_folder(folder, "p").glob("*.chunk"):
            save_file(load_file(path), path)
        write(folder, numbers(64))
        assert files(folder) == undisturbed

    def test_what_an_earlier_version_left_in_the_data_folder(
        self, tmp_path, monkeypatch, undisturbed
    ):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            patch.setattr(generate, "working_folder", manifest.inner_folder)
            interrupted(patch, "publish", 0)
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64))
        assert os.listdir(folder) == [".p.unfinished"]

        def samples():
            assert not os.listdir(folder)
            yield from numbers(64)

        write(folder, samples())
        assert files(folder) == undisturbed
        assert not os.path.exists(working_folder(folder, "p"))

    def test_a_data_folder_that_was_removed(self, tmp_path, monkeypatch):
        folder = tmp_path / "data"
        with monkeypatch.context() as patch:
            interrupted(patch, "publish", 0)
            with pytest.raises(KeyboardInterrupt):
                write(folder, numbers(64))
        folder.rmdir()
        # Were it resumed, the samples of before would come out.
        written = write(folder, numbers(30))
        assert written.splits["train"].examples == 30


class TestWorkingFolder:
    """It is where no hook finds it, and where shards can be renamed into the data folder."""

    def test_beside(self, tmp_path, monkeypatch):
        assert working_folder(tmp_path / "data", "p") == tmp_path / ".data.p.unfinished"
        (tmp_path / "link").symlink_to(tmp_path / "data")
        assert working_folder(tmp_path / "link", "p") == tmp_path / ".data.p.unfinished"
        monkeypatch.chdir(tmp_path)
        assert working_folder("data", "p") == tmp_path / ".data.p.unfinished"

    def test_inside_a_file_system_of_its_own_or_below_a_read_only_folder(
        self, tmp_path, monkeypatch
    ):
        assert working_folder("/", "p") == Path("/.p.unfinished")
        monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
        assert working_folder(tmp_path / "data", "p") == tmp_path / "data" / ".p.unfinished"

    def test_hooks_may_list_the_data_folder(self, tmp_path):
        def samples():
            for number in range(60):
                names = list(tmp_path.rglob("*")) + os.listdir(tmp_path)
                assert not names
                yield {"targets": [number + 2]}

        write(tmp_path, samples())
        assert not os.path.exists(working_folder(tmp_path, "p"))

    def test_two_mounts_of_one_file_system(self, tmp_path, monkeypatch):
        write(tmp_path / "renamed", numbers(9))

        def replace(source, target):
            if os.path.dirname(source) != os.path.dirname(target):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            os.rename(source, target)

        monkeypatch.setattr(manifest.os, "replace", replace)
        write(tmp_path / "copied", numbers(9))
        assert files(tmp_path / "copied") == files(tmp_path / "renamed")


@pytest.mark.parametrize("damage", [None, "", "[]", '{"format": 2}'])
def test_fewer_shards_than_before(tmp_path, damage):
    """Also where the older manifest, which names the shards, is damaged."""
    write(tmp_path, numbers(20), train=7)
    if damage is not None:
        manifest.path_of(tmp_path, "p").write_text(damage)
        with pytest.raises(DataError, match="run t2t-datagen --overwrite|upgrade"):
            is_complete(tmp_path, "p", [])
    write(tmp_path, numbers(20), train=3)
    assert len(list(tmp_path.glob("*-of-*"))) == 3
    assert is_complete(tmp_path, "p", [])


@pytest.mark.parametrize(
    "name", ["../outside", "notes.txt", "q-train-00000-of-00001", "p.manifest.json", "vocab.p"]
)
def test_a_manifest_that_names_other_files(tmp_path, name):
    """Only shards of the same problem may be deleted because a manifest lists them."""
    folder = tmp_path / "data"
    write(folder, numbers(9))
    (folder / name).touch()
    altered = manifest.read(folder, "p")
    altered.splits["train"].bytes[name] = 0
    altered.vocabularies[name] = "0"
    altered.write(manifest.path_of(folder, "p"))
    write(folder, numbers(9))
    assert (folder / name).exists()


INDEX_TEXTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(
        ["chunks", "sources", "vocabularies", "settings"]
    ), inner),
    max_leaves=8,
)  # fmt: skip


def test_any_bytes_as_index_or_chunk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("any") / "data"
    write(folder, numbers(20))
    expected = files(folder)
    work = working_folder(folder, "p")

    @seed(0)
    @settings(max_examples=25, deadline=None)
    @given(st.binary(max_size=60) | INDEX_TEXTS.map(lambda value: json.dumps(value).encode()))
    def check(content):
        work.mkdir()
        (work / "index.json").write_bytes(content)
        (work / "manifest.json").write_bytes(content)
        (work / "p-train-00000-of-00003").write_bytes(content)
        write(folder, numbers(20))
        assert files(folder) == expected

    check()


class TestIsComplete:
    """When a data folder counts as complete."""

    def test_before_and_after(self, tmp_path):
        paths = shard_paths(tmp_path, "p-train", 3)
        assert not is_complete(tmp_path, "p", paths)
        write(tmp_path, numbers(9))
        assert is_complete(tmp_path, "p", paths)

    def test_a_folder_of_t2ts(self, tmp_path):
        paths = shard_paths(tmp_path, "p-train", 3)
        write(tmp_path, numbers(9))
        manifest.path_of(tmp_path, "p").unlink()
        assert is_complete(tmp_path, "p", paths)
        os.remove(paths[1])
        assert not is_complete(tmp_path, "p", paths)

    def test_a_folder_of_a_killed_run(self, tmp_path):
        paths = shard_paths(tmp_path, "p-train", 3)
        write(tmp_path / "right", numbers(9))
        # Killed while renaming: some shards are there, the rest and no manifest.
        write(tmp_path, numbers(9))
        manifest.path_of(tmp_path, "p").unlink()
        working_folder(tmp_path, "p").mkdir()
        os.rename(paths[2], working_folder(tmp_path, "p") / os.path.basename(paths[2]))
        (working_folder(tmp_path, "p") / "half").touch()
        assert not is_complete(tmp_path, "p", paths)
        write(tmp_path, numbers(9))
        assert is_complete(tmp_path, "p", paths)
        left = files(tmp_path / "right")
        (tmp_path / "right").rename(tmp_path.parent / f"{tmp_path.name}-right")
        assert files(tmp_path) == left

    @pytest.mark.parametrize(
        ("change", "message"), [("cut", "has 3 bytes"), ("gone", "is missing")]
    )
    def test_a_shard_that_changed(self, tmp_path, change, message):
        path = shard_paths(tmp_path, "p-train", 3)[1]
        write(tmp_path, numbers(9))
        os.truncate(path, 3) if change == "cut" else os.remove(path)
        with pytest.raises(DataError, match=f"p-train-00001-of-00003 {message}, the manifest says"):
            is_complete(tmp_path, "p", [])
