"""Batches of examples with a teacher's likeliest tokens beside their target tokens."""

import numpy as np
import pytest

from t2tlite.batches import plan
from t2tlite.batches.batching import Batching
from t2tlite.batches.examples import MappedExamples, RecordFeature
from t2tlite.batches.inputs import TrainingBatches
from t2tlite.batches.taught_examples import TaughtExamples
from t2tlite.config import HParams
from t2tlite.data.records import serialized, write_shard
from t2tlite.data.teacher import TEACHER_COSTS, TEACHER_IDS
from t2tlite.errors import DataError, HParamsError

K = 3
BOTH = {"inputs": RecordFeature("inputs"), "targets": RecordFeature("targets")}


def write(folder, change=lambda example: example):
    """Writes examples whose teacher's tokens follow from each target token and its position."""
    paths = [str(folder / f"p-train-{s:05d}-of-00002") for s in range(2)]
    for shard, path in enumerate(paths):
        records = []
        for i in range(shard, 40, 2):
            targets = [2 + (i + j) % 50 for j in range(1 + i % 12)]
            ids = [100 * t + 10 * j + k for j, t in enumerate(targets) for k in range(K)]
            example = {
                "inputs": [5] * (1 + i % 7),
                "targets": targets,
                TEACHER_IDS: ids,
                TEACHER_COSTS: [1000 * t + k for t in targets for k in range(K)],
                "weight": 0.5 + i % 2,
            }
            records.append(serialized(change(example)))
        write_shard(path, records)
    return paths


def read(paths, features=BOTH, **hparams):
    hparams = HParams(task_balance=0.5, **hparams)
    limit = hparams.max_target_seq_length
    cut = {**features, "targets": RecordFeature(features["targets"].source, limit)}
    return TaughtExamples(MappedExamples(paths, cut), paths, features, hparams)


@pytest.mark.parametrize("kind", ["bucket", "pad", "pack"])
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("limit", [0, 6])
def test_each_target_token_keeps_its_own(tmp_path, monkeypatch, kind, static, limit):
    monkeypatch.setattr(plan, "MIN_ROUND_BATCHES", 1)
    examples = read(write(tmp_path), max_target_seq_length=limit)
    made = TrainingBatches(examples, Batching(kind, 40, 20, static=static), seed=0)
    seen = 0
    for number in range(12):
        batch = made.batch(number)
        targets, ids, costs = (batch[name] for name in ("targets", TEACHER_IDS, TEACHER_COSTS))
        assert ids.shape == costs.shape == (*targets.shape, K)
        assert ids.dtype == costs.dtype == np.int32
        real = targets > 0
        seen += real.sum()
        assert not ids[~real].any() and not costs[~real].any()
        positions = np.tile(np.arange(targets.shape[1]), (len(targets), 1))
        if kind == "pack":
            positions = batch["targets_position"]
        numbers = np.arange(K)
        expected = (100 * targets + 10 * positions)[..., None] + numbers
        np.testing.assert_array_equal(ids[real], expected[real])
        np.testing.assert_array_equal(costs[real], (1000 * targets[..., None] + numbers)[real])
        assert set(batch["targets_weight"][real]) <= {0.5, 1.5}
        shape, dtype = made.signature[TEACHER_IDS]
        assert (shape[2], dtype) == (K, "int32")
        assert shape[1] in (None, targets.shape[1])
        longest = real.sum(1).max() if kind != "pack" else batch["targets_position"].max() + 1
        assert longest <= (limit or 12)
    assert seen > 100


@pytest.mark.parametrize("missing", [TEACHER_IDS, TEACHER_COSTS])
def test_data_without_a_teacher(tmp_path, missing):
    def without(example):
        return {name: values for name, values in example.items() if name != missing}

    with pytest.raises(DataError, match=r"task_balance=0\.5, but .* t2t-distill --top_k=8"):
        read(write(tmp_path, without))


def test_a_teacher_of_other_targets(tmp_path):
    def longer(example):
        return {**example, "targets": [*example["targets"], 1]}

    paths = write(tmp_path, longer)
    with pytest.raises(DataError, match="other numbers of the teacher's tokens"):
        read(paths)
    swapped = {"inputs": BOTH["targets"], "targets": BOTH["inputs"]}
    with pytest.raises(HParamsError, match="doesn't go with _rev"):
        read(paths, swapped)
    joined = "prepend_inputs_full_attention"
    with pytest.raises(HParamsError, match=f"doesn't go with prepend_mode={joined}"):
        read(paths, prepend_mode=joined)
