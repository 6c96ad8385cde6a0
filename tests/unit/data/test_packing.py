"""Packing: rows of fixed length with whole examples, separated by segment ids."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from t2tlite.data import packing

ROW = 12


def unpacked(row):
    """Returns the examples of a packed row, and checks its segment ids and positions."""
    examples = []
    for segment in range(1, row["targets_segmentation"].max() + 1):
        example = {}
        for name in ("inputs", "targets"):
            here = row[f"{name}_segmentation"] == segment
            example[name] = tuple(row[name][here].tolist())
            assert row[f"{name}_position"][here].tolist() == list(range(here.sum()))
        examples.append((example["inputs"], example["targets"]))
    for name in ("inputs", "targets"):
        padding = row[f"{name}_segmentation"] == 0
        assert not row[name][padding].any()
        assert not row[f"{name}_position"][padding].any()
        # Examples stand one after the other, with padding at the end alone.
        assert (np.diff(np.where(padding, 999, row[f"{name}_segmentation"])) >= 0).all()
    return examples


lengths = st.integers(1, ROW)


@given(st.lists(st.tuples(lengths, lengths), min_size=1, max_size=60))
@settings(deadline=None)
def test_no_example_is_lost(sizes):
    table = np.array(sizes, np.int32)
    texts = [[[i + 2] * count for i, count in enumerate(column)] for column in table.T]
    parts = []
    for column, ids in zip(table.T, texts, strict=True):
        parts += [np.concatenate(ids).astype(np.int32), column]
    columns = packing._pack_rows(parts, ROW)
    names = [
        name + kind for name in ("inputs", "targets") for kind in ("", "_segmentation", "_position")
    ]
    assert all(column.dtype == np.int32 and column.shape == columns[0].shape for column in columns)
    packed = dict(zip(names, columns, strict=True))
    seen = []
    for row in range(len(columns[0])):
        seen += unpacked({name: value[row] for name, value in packed.items()})
    expected = [tuple(map(tuple, pair)) for pair in zip(*texts, strict=True)]
    assert sorted(seen) == sorted(expected)
    # First fit leaves at most one row less than half full in the feature that limits it.
    assert len(columns[0]) <= max(1, 2 * -(-int(table.sum()) // ROW))


def test_batches_have_one_static_shape(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(packing, "WINDOW", 8)
    rng = np.random.default_rng(0)
    examples = [
        {name: np.full(rng.integers(1, ROW + 1), i, np.int32) for name in ("inputs", "targets")}
        for i in range(2, 40)
    ]
    signature = {name: tf.TensorSpec([None], tf.int32) for name in ("inputs", "targets")}
    dataset = tf.data.Dataset.from_generator(lambda: iter(examples), output_signature=signature)
    batches = packing.pack(dataset, ROW, 4)
    assert {tuple(spec.shape) for spec in batches.element_spec.values()} == {(4, ROW)}
    seen = []
    for batch in batches.as_numpy_iterator():
        for row in range(4):
            seen += unpacked({name: value[row] for name, value in batch.items()})
    # Only the rows of a last batch that isn't full are left for the next round.
    expected = [(tuple(column["inputs"]), tuple(column["targets"])) for column in examples]
    assert set(seen) <= set(expected)
    assert len(seen) == len(set(seen)) >= len(expected) - 4 * 3
