"""tf.Example records in TFRecord shards: writing, reading, counting, finding."""

import os
import struct

import pytest
import tensorflow as tf

from t2tlite.data.records import (
    ShardWriter,
    count_records,
    find_shards,
    read_shard,
    serialized,
    shard_paths,
    write_shard,
)
from t2tlite.errors import DataError

RECORDS = [b"one", b"", b"three" * 1000]


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "shard"
    write_shard(path, RECORDS)
    return path


def test_names_are_t2ts():
    assert shard_paths("d", "p-train", 2) == [
        "d/p-train-00000-of-00002",
        "d/p-train-00001-of-00002",
    ]


def test_our_reader_and_tensorflows_agree(shard):
    assert list(read_shard(shard)) == RECORDS
    # TensorFlow verifies the checksums.
    assert [value.numpy() for value in tf.data.TFRecordDataset(str(shard))] == RECORDS
    assert count_records(shard) == len(RECORDS)


def test_an_empty_shard(tmp_path):
    write_shard(tmp_path / "empty", [])
    assert list(read_shard(tmp_path / "empty")) == []
    assert count_records(tmp_path / "empty") == 0


@pytest.mark.parametrize("lost", [1, 3, 4, 5, 100, 5004, 5015, 5017, 5031])
def test_a_truncated_shard(shard, lost):
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-lost])
    for read in (lambda: list(read_shard(shard)), lambda: count_records(shard)):
        with pytest.raises(DataError, match=f"shard is truncated .* its {size - lost} bytes end"):
            read()


def test_a_shard_that_lacks_whole_records_is_well_formed(shard):
    # The manifest knows its size, the shard itself can't tell.
    os.truncate(shard, shard.stat().st_size - (12 + 5000 + 4))
    assert list(read_shard(shard)) == RECORDS[:2]
    assert count_records(shard) == 2


@pytest.mark.parametrize("place", [3, 9, 14, -1])
def test_a_damaged_byte(shard, place):
    """Of a length, of its checksum, of a record, of its checksum."""
    data = bytearray(shard.read_bytes())
    data[place] ^= 1
    shard.write_bytes(data)
    with pytest.raises(
        DataError, match="shard.* is truncated|shard: the record at byte .* damaged"
    ):
        list(read_shard(shard, verify=True))


def test_whole_records_pass_verification(shard):
    assert list(read_shard(shard, verify=True)) == RECORDS


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "text"
    path.write_text("some lines of text\n" * 3)
    with pytest.raises(DataError, match="truncated or not a TFRecord file"):
        list(read_shard(path))
    with pytest.raises(DataError, match="truncated or not a TFRecord file"):
        count_records(path)


def test_values_become_features():
    example = {"ids": [1, 2**40], "score": [0.5], "text": "ü", "raw": b"\xff", "n": 3, "none": []}
    features = tf.train.Example.FromString(serialized(example)).features.feature
    assert list(features["ids"].int64_list.value) == [1, 2**40]
    assert list(features["score"].float_list.value) == [0.5]
    assert list(features["text"].bytes_list.value) == ["ü".encode()]
    assert list(features["raw"].bytes_list.value) == [b"\xff"]
    assert list(features["n"].int64_list.value) == [3]
    assert not features["none"].int64_list.value
    # The same bytes whatever the order of the keys.
    assert serialized(dict(reversed(example.items()))) == serialized(example)


def test_a_value_that_is_no_feature():
    with pytest.raises(DataError, match="feature 'ids' holds dict; expected int, float or str"):
        serialized({"ids": [{}]})


def test_shards_that_t2t_wrote(shared):
    shards = find_shards(shared / "fixtures/t2t/poetry_data", "poetry_line_problem-dev")
    assert len(shards) == 10
    for path in shards[:2]:
        records = list(read_shard(path))
        assert len(records) == count_records(path) > 100
        example = tf.train.Example.FromString(records[0]).features.feature
        assert set(example) == {"inputs", "targets"}
        # Serialized again, it has the same content.
        values = {name: list(value.int64_list.value) for name, value in example.items()}
        again = tf.train.Example.FromString(serialized(values))
        assert again == tf.train.Example.FromString(records[0])


class TestFinding:
    """The shards of a stem."""

    def touch(self, folder, *names):
        for name in names:
            (folder / name).touch()

    def test_in_order_and_of_this_stem_alone(self, tmp_path):
        names = ["p-train-00001-of-00002", "p-train-00000-of-00002"]
        self.touch(tmp_path, "p-dev-00000-of-00001", "pp-train-00000-of-00001", *names)
        assert [path.name for path in find_shards(tmp_path, "p-train")] == sorted(names)

    def test_none(self, tmp_path):
        with pytest.raises(DataError, match="has no files p-train-.*t2t-datagen"):
            find_shards(tmp_path, "p-train")

    def test_some_missing(self, tmp_path):
        self.touch(tmp_path, "p-train-00000-of-00003")
        with pytest.raises(DataError, match="2 of 3 shards are missing .*, p-train-00001-of-00003"):
            find_shards(tmp_path, "p-train")

    def test_two_sets(self, tmp_path):
        self.touch(tmp_path, "p-train-00000-of-00001", "p-train-00000-of-00002")
        with pytest.raises(DataError, match="several sets of p-train shards .of 00001, 00002."):
            find_shards(tmp_path, "p-train")


def test_a_writer_whose_disk_is_full():
    # This device takes no byte.
    writer = ShardWriter("/dev/full")
    writer.write(b"x" * 100)
    with pytest.raises(OSError) as caught:
        writer.close()
    assert caught.value.errno


def test_a_record_longer_than_its_file(tmp_path):
    path = tmp_path / "long"
    path.write_bytes(struct.pack("<QI", 2**33, 0) + b"x" * 10)
    with pytest.raises(DataError, match="its 22 bytes end within a record"):
        count_records(path)
