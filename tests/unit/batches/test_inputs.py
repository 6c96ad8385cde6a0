"""Batches: arrays as planned, equal on any number of machines, complete evaluations."""

import numpy as np
import pytest

from t2tlite.batches import plan
from t2tlite.batches.batching import Batching, evaluation_batching, random_part
from t2tlite.batches.examples import MappedExamples, RecordFeature, StoredExamples
from t2tlite.batches.inputs import TrainingBatches, evaluation_batches, measure
from t2tlite.config import HParams
from t2tlite.data.records import serialized, write_shard

EXAMPLES = 60
SHARDS = 3
KINDS = ["bucket", "pad", "pack"]
BOTH = {"inputs": RecordFeature("inputs"), "targets": RecordFeature("targets")}


def write(folder, shards=SHARDS):
    """Writes examples whose targets identify them: those of example i are i + 2, repeated."""
    paths = [str(folder / f"p-train-{s:05d}-of-{shards:05d}") for s in range(shards)]
    for shard, path in enumerate(paths):
        lengths = [(i, i % 20 + 1) for i in range(EXAMPLES) if i * shards // EXAMPLES == shard]
        write_shard(
            path,
            [
                serialized({"inputs": [5] * n, "targets": [i + 2] * max(1, n - i % 2)})
                for i, n in lengths
            ],
        )
    return paths


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return MappedExamples(write(tmp_path_factory.mktemp("data")), BOTH)


def batches(examples, batching, count, start=0, **more):
    made = TrainingBatches(examples, batching, **{"seed": 0, **more})
    return [made.batch(number) for number in range(start, start + count)]


def equal(a, b):
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a
    )


def names(result):
    """Returns the numbers of the examples in batches, in order."""
    return [row[0] - 2 for batch in result for row in batch["targets"].tolist() if row[0]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("static", [False, True])
def test_any_batch_at_once(examples, kind, static, monkeypatch):
    """A resumed run goes on with the same batches, within a round and beyond it."""
    monkeypatch.setattr(plan, "MIN_ROUND_BATCHES", 1)
    batching = Batching(kind, 40, 20, static=static)
    whole = batches(examples, batching, 120)
    for start in (3, 50, 119):
        resumed = batches(examples, batching, 120 - start, start)
        assert all(map(equal, resumed, whole[start:]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("machines", [2, 4])
def test_machines_make_the_rows_of_one_machine(tmp_path, kind, static, machines):
    """Byte for byte, though each has files of another number of shards."""
    batching = Batching(kind, 160, 20, static=static, rows_multiple=4 if static else 1)
    (tmp_path / "one").mkdir()
    one = TrainingBatches(MappedExamples(write(tmp_path / "one"), BOTH), batching, seed=9)
    parts = []
    for machine in range(machines):
        folder = tmp_path / f"machine{machine}"
        folder.mkdir()
        paths = write(folder, shards=machine + 1)
        parts.append(TrainingBatches(MappedExamples(paths, BOTH), batching, seed=9))
    for number in range(30):
        shares = [part.batch(number, i, machines) for i, part in enumerate(parts)]
        joined = {k: np.concatenate([share[k] for share in shares]) for k in shares[0]}
        assert equal(joined, one.batch(number))
        if static:
            assert len({share["targets"].shape for share in shares}) == 1


def test_the_bytes_of_padded_rows(examples):
    rows = batches(examples, Batching("bucket", 40, 20), 60)
    for batch in rows:
        for ids_L, ids_T in zip(batch["inputs"], batch["targets"], strict=True):
            name = int(ids_T[0]) - 2
            count = name % 20 + 1
            assert ids_L.tolist() == [5] * count + [0] * (len(ids_L) - count)
            count = max(1, count - name % 2)
            assert ids_T.tolist() == [name + 2] * count + [0] * (len(ids_T) - count)
    assert sorted(names(rows)[:60]) != names(rows)[:60]


def test_packed_rows_keep_examples_apart():
    lengths = {"inputs": np.array([2, 3, 1], np.int32), "targets": np.array([1, 1, 2], np.int32)}
    ids = {"inputs": np.array([11, 12, 21, 22, 23, 31]), "targets": np.array([10, 20, 30, 31])}
    stored = StoredExamples(ids, lengths)
    [batch] = evaluation_batches(stored, Batching("pack", 12, 6))
    assert batch["inputs"].shape == (1, 6)
    order = [int(i) // 10 for i in batch["targets"][0, :4]]
    assert sorted(order) == [1, 2, 3, 3]
    segments = {}
    for name, start in (("inputs", 0), ("targets", 0)):
        at = start
        for segment, example in enumerate(dict.fromkeys(order), start=1):
            count = int(lengths[name][example - 1])
            span = slice(at, at + count)
            assert {int(i) // 10 for i in batch[name][0, span]} == {example}
            assert batch[f"{name}_segmentation"][0, span].tolist() == [segment] * count
            assert batch[f"{name}_position"][0, span].tolist() == list(range(count))
            at += count
            segments[example] = segment
        for kind in ("", "_segmentation", "_position"):
            assert not batch[f"{name}{kind}"][0, at:].any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("static", [False, True])
def test_shapes_say_what_batches_share(examples, kind, static):
    batching = Batching(kind, 40, 20, static=static)
    training = TrainingBatches(examples, batching, seed=0)
    made = [training.batch(number) for number in range(60)]
    for name, ((rows, width), dtype) in training.signature.items():
        assert dtype == "int32"
        shapes = {batch[name].shape for batch in made}
        assert rows is None or {shape[0] for shape in shapes} == {rows}
        assert width is None or {shape[1] for shape in shapes} == {width}
    assert (training.signature["inputs"][0] == (2, 20)) is (kind != "bucket")
    assert ("targets_segmentation" in training.signature) is (kind == "pack")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_lengths_are_multiples_where_a_device_wants_them(examples, kind):
    batching = Batching(
        kind, 100, 20, bucket_step=2.0, static=True, rows_multiple=4, length_multiple=6
    )
    result = batches(examples, batching, 30)
    # 100 // 24 rows fit, which is a multiple of 4; of 12 tokens 8 are.
    expected = {"bucket": {(8, 12), (4, 24)}, "pad": {(4, 24)}, "pack": {(4, 24)}}
    assert {batch["inputs"].shape for batch in result} == expected[kind]


@pytest.mark.parametrize("kind", ["bucket", "pad"])
@pytest.mark.parametrize("static", [False, True])
def test_labels_stay_one_token_wide(tmp_path, kind, static):
    path = str(tmp_path / "p-train-00000-of-00001")
    write_shard(path, [serialized({"inputs": [5] * n, "targets": [n]}) for n in range(1, 21)])
    labelled = MappedExamples([path], {**BOTH, "targets": RecordFeature("targets", width=1)})
    batching = Batching(kind, 40, 20, static=static)
    made = batches(labelled, batching, 30)
    made += evaluation_batches(labelled, Batching("bucket", 40, 20, static=static))
    assert {batch["targets"].shape[1] for batch in made} == {1}
    (_, width), _ = TrainingBatches(labelled, batching, seed=0).signature["targets"]
    assert width == 1


def test_numbers_as_targets():
    numbers = StoredExamples(
        {"inputs": np.array([5, 6, 7], np.int32), "targets": np.array([0.5, -2.0], np.float32)},
        {"inputs": np.array([1, 2], np.int32), "targets": np.array([1, 1], np.int32)},
        {"targets": 1},
    )
    [batch] = evaluation_batches(numbers, Batching("pad", 40, 20))
    assert batch["targets"].dtype == np.float32
    assert batch["targets"].tolist() == [[0.5], [-2.0]]
    signature = TrainingBatches(numbers, Batching("bucket", 40, 20), seed=0).signature
    assert signature["targets"][1] == "float32"


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("assignments", ["max_length=10", "max_length=30,length_bucket_step=1.5"])
def test_evaluation_covers_everything_exactly_once(examples, static, assignments):
    hparams = HParams().override(f"batch_size=64,{assignments}")
    batching = evaluation_batching(hparams, static=static)
    seen = []
    for batch in evaluation_batches(examples, batching):
        rows, length = batch["inputs"].shape
        assert batch["targets"].shape[0] == rows
        if static:
            assert batch["targets"].shape == (rows, length)
            # Full, missing rows being padding.
            assert rows == 64 // length
            assert length in (8, 16, 32, 64)
        for ids_L, ids_T in zip(batch["inputs"], batch["targets"], strict=True):
            assert bool(ids_L[0]) is bool(ids_T[0])
            if ids_T[0]:
                name = int(ids_T[0]) - 2
                count = name % 20 + 1
                assert ids_L.sum() == 5 * count
                assert (ids_T == name + 2).sum() == max(1, count - name % 2)
                seen.append(name)
    assert sorted(seen) == list(range(EXAMPLES))


@pytest.mark.parametrize("static", [False, True])
def test_evaluation_of_a_part(examples, static):
    batching = evaluation_batching(HParams().override("batch_size=64,max_length=10"), static=static)
    part = random_part(EXAMPLES, 0.3)
    result = evaluation_batches(examples, batching, part)
    assert sorted(names(result)) == np.flatnonzero(part).tolist()
    assert part.sum() == 18


def test_batches_of_an_evaluation_are_counted_with_its_long_examples(examples):
    batching = evaluation_batching(HParams().override("batch_size=64,max_length=10"), static=False)
    sizes = measure(examples, batching)
    assert sizes.kept == EXAMPLES
    assert sizes.batches == len(list(evaluation_batches(examples, batching)))


@pytest.mark.parametrize("static", [False, True])
def test_evaluation_may_drop_what_is_long(examples, static):
    hparams = HParams().override("batch_size=64,max_length=10,eval_drop_long_sequences=true")
    batching = evaluation_batching(hparams, static=static)
    result = list(evaluation_batches(examples, batching))
    assert sorted(names(result)) == [i for i in range(EXAMPLES) if i % 20 + 1 <= 10]
