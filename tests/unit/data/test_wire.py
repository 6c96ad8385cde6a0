"""tf.Examples read from their bytes are what TensorFlow reads."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from t2tlite.data.records import serialized
from t2tlite.data.wire import decode_ids, parse_example, spans

NAMES = ["inputs", "targets"]
IDS = st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 200), max_size=5)


class Damaged(Exception):
    """Raised by `fail`."""


def fail(number, reason):
    raise Damaged(number, reason)


def decode(records, names=NAMES):
    """Returns the ids of each record by feature."""
    sizes = np.array([len(record) for record in records], np.int64)
    data = np.frombuffer(b"".join(records) + b"\0", np.uint8)
    columns = []
    for ids, lengths in decode_ids(data, np.cumsum(sizes) - sizes, sizes, names, fail):
        assert ids.dtype == lengths.dtype == np.int32
        columns.append([row.tolist() for row in np.split(ids, np.cumsum(lengths)[:-1])])
    return [dict(zip(names, rows, strict=True)) for rows in zip(*columns, strict=True)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"inputs": IDS, "targets": IDS}), min_size=1, max_size=6))
def test_many_examples_at_once(examples):
    assert decode([serialized(example) for example in examples]) == examples


def unpacked(ids):
    """Returns an example in the old wire form, with a tag before each number."""
    numbers = b"".join(b"\x08" + bytes([i]) for i in ids)
    feature = b"\x1a" + bytes([len(numbers)]) + numbers
    entry = b"\x0a\x06inputs\x12" + bytes([len(feature)]) + feature
    entry = b"\x0a" + bytes([len(entry)]) + entry
    return b"\x0a" + bytes([len(entry)]) + entry


def test_other_forms_are_parsed_one_by_one():
    plain = serialized({"inputs": [3, 1], "targets": [400, 1]})
    reordered = tf.train.Example()
    reordered.features.feature["targets"].int64_list.value.extend([7, 8])
    reordered.features.feature["zzz"].bytes_list.value.append(b"note")
    records = [
        plain,
        unpacked([5, 6]),
        reordered.SerializeToString(),
        b"",
        serialized({"inputs": [], "targets": [9], "score": [0.5]}),
        plain,
    ]
    assert [tf.train.Example.FromString(record) is not None for record in records]
    assert decode(records) == [
        {"inputs": [3, 1], "targets": [400, 1]},
        {"inputs": [5, 6], "targets": []},
        {"inputs": [], "targets": [7, 8]},
        {"inputs": [], "targets": []},
        {"inputs": [], "targets": [9]},
        {"inputs": [3, 1], "targets": [400, 1]},
    ]


def test_all_kinds_of_values():
    values = {"ids": [-1, 2**40], "scores": [0.5, -2.0], "texts": ["ü", b"\xff"], "none": []}
    assert parse_example(serialized(values)) == {**values, "texts": ["ü".encode(), b"\xff"]}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"\xff\xff", "isn't a tf.Example"),
        (b"\x0a\x05\x0a", "isn't a tf.Example"),
        (serialized({"inputs": ["text"]}), "has other values than ids in inputs"),
        (serialized({"inputs": [0.5]}), "has other values than ids in inputs"),
        (serialized({"inputs": [2**31]}), "has an id beyond int32, or one cut off, in inputs"),
        (serialized({"inputs": [-1]}), "has an id beyond int32, or one cut off, in inputs"),
    ],
)
def test_damaged_examples_are_named(record, reason):
    good = serialized({"inputs": [1], "targets": [1]})
    with pytest.raises(Damaged) as caught:
        decode([good, good, record, good])
    assert caught.value.args == (2, reason)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=30), st.integers(0, 40), st.integers(0, 255))
def test_any_bytes_are_an_example_or_damaged(record, place, byte):
    whole = bytearray(serialized({"inputs": [3, 300], "targets": [70_000, 1]}))
    whole[place % len(whole)] = byte
    for candidate in (record, bytes(whole)):
        try:
            rows = decode([candidate])
            # Damage in the name of another feature doesn't matter to `decode_ids`.
            features = parse_example(candidate)
        except (Damaged, ValueError):
            continue
        assert rows == [{name: features.get(name, []) for name in NAMES}]


def test_spans():
    assert spans(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert spans(np.array([], int), np.array([], int)).tolist() == []
