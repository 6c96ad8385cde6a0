"""Examples from mapped shards, and from the hooks of a plugin."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from t2tlite.batches.examples import MappedExamples, RecordFeature, each_row
from t2tlite.batches.hooked_examples import read_hooked, shard_errors
from t2tlite.data import index
from t2tlite.data.records import serialized, write_shard
from t2tlite.errors import DataError

EXAMPLES = [{"inputs": [i] * (i % 4), "targets": [300 + i, 1]} for i in range(10)]
BOTH = {"inputs": RecordFeature("inputs"), "targets": RecordFeature("targets")}


@pytest.fixture
def shards(tmp_path):
    paths = [str(tmp_path / f"p-train-{number:05d}-of-00003") for number in range(3)]
    for number, path in enumerate(paths):
        write_shard(path, map(serialized, EXAMPLES[number * 4 : number * 4 + 4]))
    return paths


def test_rows_in_order(shards):
    examples = MappedExamples(shards, BOTH)
    assert (examples.names, examples.widths) == (["inputs", "targets"], [0, 0])
    assert examples.lengths.tolist() == [[i % 4, 2] for i in range(10)]
    assert list(each_row(examples)) == EXAMPLES


def test_any_rows(shards):
    ids = MappedExamples(shards, BOTH).ids(np.array([9, 3, 3, 0]))
    assert [values.tolist() for values in ids] == [
        [9, 3, 3, 3, 3, 3, 3],
        [309, 1, 303, 1, 303, 1, 300, 1],
    ]
    assert [values.size for values in MappedExamples(shards, BOTH).ids(np.array([], int))] == [0, 0]


def test_limits_names_and_widths(shards):
    features = {
        "inputs": RecordFeature("targets", limit=1),
        "targets": RecordFeature("targets", width=2),
    }
    examples = MappedExamples(shards, features)
    assert examples.lengths.tolist() == [[1, 2]] * 10
    assert examples.widths == [0, 2]
    rows = list(each_row(examples))
    assert rows == [{"inputs": [300 + i], "targets": [300 + i, 1]} for i in range(10)]


def test_another_width(shards):
    features = {"targets": RecordFeature("inputs", width=1)}
    with pytest.raises(DataError, match="record 0 of .*00000.* has 0 ids of targets, expected 1"):
        MappedExamples(shards, features)


def test_another_feature(shards):
    message = "have ids of inputs, targets; expected dist_targets: is it the data of this --problem"
    with pytest.raises(DataError, match=message):
        MappedExamples(shards, {"targets": RecordFeature("dist_targets")})


def test_no_example(tmp_path):
    path = str(tmp_path / "p-train-00000-of-00001")
    write_shard(path, [])
    with pytest.raises(DataError, match=f"{tmp_path} has no example; run t2t-datagen"):
        MappedExamples([path], BOTH)


class TestChangesAfterTheIndex:
    """Shards that aren't those of the index are never read silently."""

    def replaced(self, shards, records):
        MappedExamples(shards, BOTH)
        write_shard(shards[0], records)
        return MappedExamples(shards, BOTH)

    def test_a_flipped_byte(self, shards):
        examples = MappedExamples(shards, BOTH)
        with open(shards[0], "r+b") as file:
            file.seek(30)
            file.write(b"\x99")
        assert MappedExamples(shards, BOTH).lengths.tolist() == examples.lengths.tolist()
        with pytest.raises(DataError, match=f"^{shards[0]}: the record at byte 0 is damaged"):
            MappedExamples(shards, BOTH).ids(np.arange(4))

    def test_lengths_that_moved(self, shards):
        records = [serialized(EXAMPLES[i]) for i in (3, 2, 1, 0)]
        examples = self.replaced(shards, records)
        with pytest.raises(DataError, match="the record at byte 0 is damaged"):
            examples.ids(np.arange(4))

    def test_other_lengths_in_as_many_bytes(self, shards):
        records = [serialized(example) for example in EXAMPLES[:4]]
        # One token of two bytes in place of two of one byte.
        records[2] = serialized({"inputs": [200], "targets": [302, 1]})
        assert len(records[2]) == len(serialized(EXAMPLES[2]))
        examples = self.replaced(shards, records)
        message = f"{index.path_of(shards[0])} isn't the index of these shards; delete it"
        with pytest.raises(DataError, match=message):
            examples.ids(np.arange(4))


def hooked(shards, preprocess):
    spec = {name: tf.io.VarLenFeature(tf.int64) for name in ("inputs", "targets")}

    def parse(record):
        parsed = tf.io.parse_single_example(record, spec)
        return {name: tf.cast(tf.sparse.to_dense(ids), tf.int32) for name, ids in parsed.items()}

    def to_examples(records):
        examples = records.map(parse).map(preprocess)
        if isinstance(examples.element_spec, tf.data.DatasetSpec):
            return examples.flat_map(lambda inner: inner)
        return examples

    return read_hooked(shards, to_examples, "p")


class TestHooks:
    """What a plugin's hooks make of the records."""

    def test_equal_to_mapped_ones(self, shards):
        examples = hooked(shards, lambda example: example)
        assert examples.lengths.tolist() == MappedExamples(shards, BOTH).lengths.tolist()
        assert list(each_row(examples)) == EXAMPLES
        assert [values.tolist() for values in examples.ids(np.array([3, 1]))] == [
            [3, 3, 3, 1],
            [303, 1, 301, 1],
        ]

    def test_widths_and_several_examples_of_a_record(self, shards):
        def halves(example):
            parts = {"targets": tf.reshape(example["targets"], [2, 1])}
            return tf.data.Dataset.from_tensor_slices(parts)

        examples = hooked(shards, halves)
        assert (examples.names, examples.widths) == (["targets"], [1])
        assert [row["targets"][0] for row in each_row(examples)][:4] == [300, 1, 301, 1]

    def test_all_filtered_out(self, shards):
        def none(example):
            return tf.data.Dataset.from_tensors(example).take(0)

        with pytest.raises(DataError, match="has no example; run t2t-datagen"):
            hooked(shards, none)

    @pytest.mark.parametrize("nested", [False, True])
    def test_random_numbers_are_drawn_once(self, shards, nested, caplog):
        def shuffled(example):
            return {"targets": tf.random.shuffle(example["targets"])}

        def inner(example):
            return tf.data.Dataset.from_tensors(example).map(shuffled)

        with caplog.at_level(logging.WARNING, logger="t2tlite"):
            hooked(shards, lambda example: example)
            assert not caplog.messages
            hooked(shards, inner if nested else shuffled)
        [message] = caplog.messages
        assert message.startswith("p: preprocess_example draws random numbers; they are drawn once")

    @pytest.mark.parametrize("record", [b"\xff\xff\xff", serialized({"targets": "text"})])
    def test_damage(self, tmp_path, record):
        path = str(tmp_path / "p-train-00000-of-00001")
        write_shard(path, [record])
        with pytest.raises(DataError, match="record 0 of .*00000|a record in .* is damaged"):
            hooked([path], lambda example: example)

    def test_other_errors_stay(self, shards):
        with pytest.raises(tf.errors.InvalidArgumentError), shard_errors(shards):
            tf.debugging.assert_equal(1, 2)
