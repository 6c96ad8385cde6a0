"""Samples to shards: order, determinism, and nothing half-made whatever happens."""

import collections
import os

import pytest
import tensorflow as tf

from t2tlite.data import generate, manifest
from t2tlite.data.generate import Stream, is_complete, working_folder, write_dataset
from t2tlite.data.manifest import Manifest
from t2tlite.data.records import read_shard, shard_paths
from t2tlite.errors import DataError, OutputError, SampleError


def numbers(count):
    return [{"targets": [number + 2] * (number % 5 + 1)} for number in range(count)]


def write(folder, examples, seed=0, train=3, dev=0):
    paths = {"train": shard_paths(folder, "p-train", train)}
    if dev:
        paths["eval"] = shard_paths(folder, "p-dev", dev)
    stream = Stream("generate_samples(train)", lambda: examples, paths)
    return write_dataset([stream], folder, Manifest("p", seed))


def content(path):
    """The first target of each record."""
    records = (tf.train.Example.FromString(one) for one in read_shard(path))
    return [one.features.feature["targets"].int64_list.value[0] - 2 for one in records]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_shards_are_filled_in_turn_and_shuffled(tmp_path):
    write(tmp_path, numbers(100), train=3, dev=1)
    shards = [content(path) for path in shard_paths(tmp_path, "p-train", 3)]
    shards.append(content(tmp_path / "p-dev-00000-of-00001"))
    for i, shard in enumerate(shards):
        assert sorted(shard) == list(range(i, 100, 4))
        assert shard != sorted(shard)
    # Each shard has an order of its own.
    assert len({tuple(one // 4 for one in shard) for shard in shards}) == 4


def test_bytes_depend_on_examples_and_seed_alone(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder, seed in zip(folders, [1, 1, 2], strict=True):
        write(folder, numbers(50), seed)
    first, same, other = map(files, folders)
    assert first == same
    assert all(first[name] != other[name] for name in first)
    for name in shard_paths("", "p-train", 3):
        assert sorted(content(folders[0] / name)) == sorted(content(folders[2] / name))


def test_manifest_counts(tmp_path):
    made = write(tmp_path, numbers(11), train=2, dev=1)
    assert manifest.read(tmp_path, "p") == made
    train, dev = made.splits["train"], made.splits["eval"]
    assert (train.shards, train.examples, dev.shards, dev.examples) == (2, 8, 1, 3)
    lengths = [number % 5 + 1 for number in range(11)]
    assert dev.tokens == {"targets": sum(lengths[2::3])}
    assert train.tokens == {"targets": sum(lengths) - sum(lengths[2::3])}
    assert train.max_length == {"targets": 5}
    assert {**train.bytes, **dev.bytes} == {
        path.name: path.stat().st_size for path in tmp_path.glob("p-*-of-*")
    }


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("phase", ["generating", "shuffling", "renaming"])
def test_what_stops_midway_leaves_nothing(tmp_path, monkeypatch, error, phase):
    if phase == "generating":

        def examples():
            yield from numbers(20)
            raise error
    else:

        def examples():
            return numbers(20)

        target = (generate, "write_shard") if phase == "shuffling" else (generate.os, "fsync")
        calls = collections.Counter()
        original = getattr(*target)

        def second_fails(*args):
            calls["all"] += 1
            if calls["all"] == 2:
                raise error
            return original(*args)

        monkeypatch.setattr(*target, second_fails)
    stream = Stream("s", examples, {"train": shard_paths(tmp_path, "p-train", 3)})
    with pytest.raises(error):
        write_dataset([stream], tmp_path, Manifest("p", 0))
    assert os.listdir(tmp_path) == []


def test_what_fails_leaves_an_older_data_set_as_it_was(tmp_path):
    write(tmp_path, numbers(20))
    before = files(tmp_path)

    def examples():
        yield from numbers(7)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path, examples())
    assert files(tmp_path) == before


def test_a_split_without_examples(tmp_path):
    with pytest.raises(SampleError, match="^generate_samples.train. yielded too few samples: "
                       "split 'eval' is empty"):  # fmt: skip
        write(tmp_path, numbers(2), train=3, dev=1)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cant_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="can't write"):
        write(tmp_path / "file" / "data", numbers(9))


def test_a_disk_that_fills_up(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generate, "write_shard", full)
    with pytest.raises(OutputError, match="No space left on device; free some space"):
        write(tmp_path, numbers(9))
    assert os.listdir(tmp_path) == []


class TestIsComplete:
    """Whether there is anything left to do."""

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

    def test_what_a_killed_run_left(self, tmp_path):
        paths = shard_paths(tmp_path, "p-train", 3)
        write(tmp_path / "right", numbers(9))
        # Killed while renaming: some shards are there, the rest and no manifest.
        write(tmp_path, numbers(9))
        manifest.path_of(tmp_path, "p").unlink()
        working_folder(tmp_path, "p").mkdir()
        os.rename(paths[2], working_folder(tmp_path, "p") / os.path.basename(paths[2]))
        (working_folder(tmp_path, "p") / "half").touch()
        assert not is_complete(tmp_path, "p", paths)
        # Running it again finishes the job.
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
