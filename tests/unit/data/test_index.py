"""The index of a split: made, kept, made again where it doesn't fit."""

import numpy as np
import pytest

from t2tlite.data import index
from t2tlite.data.records import serialized, write_shard
from t2tlite.errors import DataError

LENGTHS = [[3, 1], [], [2, 5, 4]]


@pytest.fixture
def shards(tmp_path):
    """Three shards, one of them without a record."""
    paths = []
    for number, lengths in enumerate(LENGTHS):
        path = tmp_path / f"p-train-{number:05d}-of-00003"
        write_shard(
            path,
            [serialized({"inputs": [7] * n, "targets": [300], "note": "x"}) for n in lengths],
        )
        paths.append(str(path))
    return paths


def lengths(indices):
    return [i.lengths["inputs"].tolist() if len(i.sizes) else [] for i in indices]


def test_t2ts_patterns_find_shards_only(shards, tmp_path):
    index.index_shards(shards)
    assert sorted(map(str, tmp_path.glob("p-train*"))) == shards
    assert len(list(tmp_path.iterdir())) == 4


def test_lengths_and_sizes(shards):
    indices = index.index_shards(shards)
    assert lengths(indices) == LENGTHS
    assert [sorted(i.lengths) for i in indices] == [
        ["inputs", "targets"],
        [],
        ["inputs", "targets"],
    ]
    assert indices[0].sizes.tolist() == [
        len(serialized({"inputs": [7] * n, "targets": [300], "note": "x"})) for n in (3, 1)
    ]


def test_the_file_is_used_while_it_fits(shards, tmp_path, monkeypatch):
    made = index.index_shards(shards)
    path = tmp_path / "p.train.index.npz"
    content = path.read_bytes()
    indexed = []
    real = index.index_shard
    monkeypatch.setattr(index, "index_shard", lambda path: indexed.append(path) or real(path))
    kept = index.index_shards(shards)
    assert lengths(kept) == lengths(made)
    assert [i.sizes.tolist() for i in kept] == [i.sizes.tolist() for i in made]
    # A subset, as of a folder that was copied in part.
    assert lengths(index.index_shards(shards[2:])) == LENGTHS[2:]
    assert indexed == []
    write_shard(shards[0], [serialized({"inputs": [7] * 9, "targets": [300]})])
    assert lengths(index.index_shards(shards)) == [[9], *LENGTHS[1:]]
    assert indexed == [shards[0]]
    assert path.read_bytes() != content


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", "cut", "other"])
def test_a_damaged_file_is_made_again(shards, tmp_path, content):
    index.index_shards(shards)
    path = tmp_path / "p.train.index.npz"
    if content == "other":
        np.savez(path, shards=np.array(["a"]), records=np.array([3]))
    else:
        path.write_bytes(path.read_bytes()[:-30] if content == "cut" else content)
    assert lengths(index.index_shards(shards)) == LENGTHS
    assert len(index._read(path)) == 3


def test_without_a_writable_folder(shards, tmp_path, monkeypatch):
    def cannot(*args):
        raise index.OutputError("read-only")

    monkeypatch.setattr(index, "write", cannot)
    assert lengths(index.index_shards(shards)) == LENGTHS
    assert not (tmp_path / "p.train.index.npz").exists()


def test_a_folder_that_is_marked_read_only_is_left_as_it_is(shards, tmp_path):
    tmp_path.chmod(0o555)
    try:
        assert lengths(index.index_shards(shards)) == LENGTHS
        assert not (tmp_path / "p.train.index.npz").exists()
    finally:
        tmp_path.chmod(0o755)


def test_a_flipped_byte(shards):
    with open(shards[2], "r+b") as file:
        file.seek(-10, 2)
        file.write(b"\x99")
    with pytest.raises(DataError, match=f"^{shards[2]}: the record at byte .* is damaged"):
        index.index_shards(shards)


def test_a_record_that_is_no_example(tmp_path):
    path = str(tmp_path / "p-dev-00000-of-00001")
    write_shard(path, [serialized({"inputs": [1]}), b"\xff\xff\xff"])
    with pytest.raises(DataError, match=f"record 1 of {path} isn't a tf.Example; the file is"):
        index.index_shards([path])
