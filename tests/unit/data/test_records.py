"""tf.Example records in TFRecord shards: writing, reading, counting, finding."""

import os
import random
import struct

import pytest
import tensorflow as tf
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from t2tlite.data.records import (
    ShardWriter,
    find_shards,
    is_whole,
    read_examples,
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


def test_an_empty_shard(tmp_path):
    write_shard(tmp_path / "empty", [])
    assert list(read_shard(tmp_path / "empty")) == []


@pytest.mark.parametrize("lost", [1, 3, 4, 5, 100, 5004, 5015, 5017, 5031])
def test_a_truncated_shard(shard, lost):
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-lost])
    with pytest.raises(DataError, match=f"shard is truncated .* its {size - lost} bytes end"):
        list(read_shard(shard))


def test_a_shard_that_lacks_whole_records_is_well_formed(shard):
    # The manifest knows its size, the shard itself can't tell.
    os.truncate(shard, shard.stat().st_size - (12 + 5000 + 4))
    assert list(read_shard(shard)) == RECORDS[:2]


@pytest.mark.parametrize("place", [3, 9, 14, -1])
def test_a_damaged_byte(shard, place):
    """Of a length, of its checksum, of a record, of its checksum."""
    data = bytearray(shard.read_bytes())
    data[place] ^= 1
    shard.write_bytes(data)
    with pytest.raises(
        DataError, match="shard.* is truncated|shard: the record at byte .* damaged"
    ):
        list(read_shard(shard))


def test_whole_records_pass_verification(shard):
    assert list(read_shard(shard)) == RECORDS


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "text"
    path.write_text("some lines of text\n" * 3)
    with pytest.raises(DataError, match="truncated or not a TFRecord file"):
        list(read_shard(path))


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
        assert len(records) > 100
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

    def test_a_subset_warns_once(self, tmp_path, warned):
        names = [f"p-train-{number:05d}-of-00090" for number in range(80, 90)]
        self.touch(tmp_path, *names)
        for _ in range(2):
            assert [path.name for path in find_shards(tmp_path, "p-train")] == names
        (line,) = warned
        assert "has 10 of 90 shards of p-train: only these are read" in line

    def test_other_files_are_no_shards(self, tmp_path):
        self.touch(tmp_path, "p-train-00000-of-00001", "p-train-00000-of-00001.incomplete")
        assert len(find_shards(tmp_path, "p-train")) == 1

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
        list(read_shard(path))


def test_each_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "p-train-00000-of-00001"
    write_shard(path, [b"one", b"", b"three"])
    content = path.read_bytes()
    assert is_whole(path)
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert not is_whole(path)
        with pytest.raises(DataError, match="p-train-00000-of-00001") as caught:
            list(read_shard(path))
        assert len(str(caught.value).splitlines()) == 1


@seed(0)
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_shard_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    try:
        assert bool(content) == bool(list(read_shard(path)))
    except DataError as error:
        assert str(path) in str(error)
        assert len(str(error).splitlines()) == 1


@seed(0)
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | st.integers(0, 2**32).map(
    lambda number: _damaged_example(random.Random(number))
))  # fmt: skip
@example(b"")
def test_any_record_is_an_example_or_one_line(tmp_path_factory, record):
    path = tmp_path_factory.getbasetemp() / "record"
    write_shard(path, [record])
    try:
        ((source, features),) = read_examples([path])
    except DataError as error:
        assert f"record 0 of {path} isn't a tf.Example" in str(error)
        assert len(str(error).splitlines()) == 1
    else:
        assert source == f"record 0 of {path}"
        assert all(isinstance(values, list) for values in features.values())


def _damaged_example(draw):
    record = bytearray(serialized({"inputs": [3, 300, 1], "targets": [2**40, 1]}))
    for _ in range(draw.randrange(3)):
        record[draw.randrange(len(record))] = draw.randrange(256)
    return bytes(record[: draw.randrange(len(record) + 1)])


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_a_shard_that_cant_be_read(tmp_path, kind):
    path = tmp_path / "shard"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(DataError, match=f"^can't read {path}: "):
        list(read_shard(path))
    assert not is_whole(path)


@pytest.mark.parametrize("value", ["a\ud800", ["b", "a\ud800"]])
def test_a_lone_surrogate(value):
    with pytest.raises(DataError, match="character 1 of the text is .*surrogate"):
        serialized({"id": value})
