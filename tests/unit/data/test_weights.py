"""Weights of samples: checked, recorded as floats, and read back with the index."""

import numpy as np
import pytest

from t2tlite.batches.batching import Batching
from t2tlite.batches.examples import MappedExamples, RecordFeature, read_stored
from t2tlite.batches.inputs import TrainingBatches
from t2tlite.data.index import index_shard, path_of
from t2tlite.data.records import serialized, write_shard
from t2tlite.data.samples import checked
from t2tlite.data.weights import recorded_weight, weight_of
from t2tlite.errors import DataError

FEATURES = {name: RecordFeature(name) for name in ("inputs", "targets")}


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "x-train-00000-of-00001"
    pair = {"inputs": [5, 1], "targets": [6, 7, 1]}
    rows = [pair, {**pair, "weight": 0.5}, {**pair, "targets": [6, 1], "weight": [2.0]}]
    write_shard(path, map(serialized, rows))
    return str(path)


@pytest.mark.parametrize("value", [0.5, [0.5], (0.5,), np.float32(0.5)])
def test_a_weight_is_a_number_or_a_list_of_one(value):
    assert weight_of(value, "x") == 0.5
    samples = [{"inputs": "a", "targets": "b", "weight": value}, {"inputs": "a", "targets": "b"}]
    first, second = checked(lambda: samples, "p: generate_samples(train)", {"targets": str})
    assert type(first["weight"]) is float
    assert "weight" not in second


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "0.5", [1, 2], None, True])
def test_others_are_errors_that_name_the_sample(value):
    sample = {"inputs": "a", "targets": "b", "weight": value}
    with pytest.raises(DataError, match=r"^p, sample 0: 'weight' is .*expected a number from 0 on"):
        list(checked(lambda: [sample], "p", {"targets": str}))


@pytest.mark.parametrize("values", [None, [3], [0.5, 0.5], [b"0.5"], []])
def test_other_features_of_that_name_are_no_weights(values):
    assert recorded_weight(values) == 1.0


def test_they_are_read_from_the_shards_and_from_the_index(shard):
    assert index_shard(shard).weights.tolist() == [1.0, 0.5, 2.0]
    for _ in range(2):
        assert MappedExamples([shard], FEATURES).weights.tolist() == [1.0, 0.5, 2.0]
        assert path_of(shard).exists()
    assert read_stored([shard], FEATURES).weights.tolist() == [1.0, 0.5, 2.0]


@pytest.mark.parametrize("kind", ["bucket", "pad", "pack"])
def test_a_batch_has_the_weight_of_every_target_position(shard, kind):
    made = TrainingBatches(MappedExamples([shard], FEATURES), Batching(kind, 64, 16), 0)
    batch = made.batch(0)
    weights, targets = batch["targets_weight"], batch["targets"]
    assert made.signature["targets_weight"][1] == "float32"
    assert (weights[targets == 0] == 0).all()
    assert sorted({*np.unique(weights[targets > 0]).tolist()}) == [0.5, 1.0, 2.0]
    # The example of two ids is the one with the weight 2.
    assert (weights == 2.0).sum() % 2 == 0


def test_data_without_weights_have_no_such_feature(tmp_path):
    path = str(tmp_path / "x-train-00000-of-00001")
    write_shard(path, [serialized({"inputs": [5, 1], "targets": [6, 1], "weight": 1.0})])
    examples = MappedExamples([path], FEATURES)
    assert examples.weights is None
    assert "targets_weight" not in TrainingBatches(examples, Batching("pad", 64, 16), 0).batch(0)
