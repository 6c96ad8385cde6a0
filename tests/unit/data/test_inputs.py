"""Shards to batches: order by seed and step, length limits, shapes, completeness."""

import collections
import itertools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from t2tlite.config import HParams
from t2tlite.data import inputs
from t2tlite.data.batching import Batching, evaluation_batching, random_part
from t2tlite.data.inputs import evaluation_batches, measure, training_batches
from t2tlite.data.records import serialized, write_shard
from t2tlite.errors import DataError

EXAMPLES = 60
SHARDS = 3
BUCKET = Batching("bucket", batch_tokens=40, max_length=20)
PAD = Batching("pad", batch_tokens=40, max_length=20)
PACK = Batching("pack", batch_tokens=40, max_length=20)


def to_examples(records):
    spec = {name: tf.io.VarLenFeature(tf.int64) for name in ("inputs", "targets")}

    def parse(record):
        parsed = tf.io.parse_single_example(record, spec)
        return {name: tf.cast(tf.sparse.to_dense(item), tf.int32) for name, item in parsed.items()}

    return records.map(parse)


def test_devices_get_the_rows_of_a_batch_in_order():
    batches = tf.data.Dataset.from_tensor_slices(np.arange(20).reshape(2, 10)).map(
        lambda rows: {"targets": tf.stack([rows, -rows], axis=1)}
    )
    shares = [
        [item["targets"][:, 0].tolist() for item in parts.take(4).as_numpy_iterator()]
        for parts in (inputs.split(batches, 4, first, 2) for first in (0, 2))
    ]
    assert shares[0] == [[0, 1], [2, 3, 4], [10, 11], [12, 13, 14]]
    assert shares[1] == [[5, 6], [7, 8, 9], [15, 16], [17, 18, 19]]


def test_waiting_time_for_a_slow_batch():
    def slow(number):
        if number == 1:
            time.sleep(0.5)
        return number

    batches = tf.data.Dataset.range(3).map(
        lambda number: {"targets": tf.fill([4, 2], tf.numpy_function(slow, [number], tf.int64))}
    )
    # A taker that is slower than the data waits for the slow batch alone.
    waited = [float(batch["waited"].sum()) for batch in inputs.timed(batches).as_numpy_iterator()]
    assert waited[1] > 0.45
    assert waited[2] < 0.25


def write(folder, lengths):
    """Writes examples whose targets identify them: those of example i are i + 2, repeated."""
    for shard in range(SHARDS):
        records = [
            serialized({"inputs": [5] * count, "targets": [i + 2] * max(1, count - i % 2)})
            for i, count in enumerate(lengths)
            if i % SHARDS == shard
        ]
        write_shard(folder / f"shard{shard}", records)
    return [str(folder / f"shard{shard}") for shard in range(SHARDS)]


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data"), [i % 20 + 1 for i in range(EXAMPLES)])


def batches(shards, batching, count, **more):
    order = {"seed": 0, "epoch_batches": 30, **more}
    dataset = training_batches(shards, to_examples, batching, **order)
    return [
        {name: value.tolist() for name, value in item.items()}
        for item in itertools.islice(dataset.as_numpy_iterator(), count)
    ]


def names(result):
    """Returns the numbers of the examples in batches, in order."""
    return [row[0] - 2 for batch in result for row in batch["targets"] if row[0]]


class TestOrder:
    """Training batches are a pure function of seed and step."""

    @pytest.fixture(autouse=True)
    def small_rounds(self, monkeypatch):
        monkeypatch.setattr(inputs, "MIN_ROUND_BATCHES", 1)

    @pytest.mark.parametrize("batching", [BUCKET, PAD, PACK], ids=lambda item: item.kind)
    def test_starting_later_skips_batches(self, shards, batching):
        # Rounds of 5 batches: within the first, at its end, and beyond the second.
        whole = batches(shards, batching, 13, epoch_batches=5)
        for start in (3, 5, 11):
            some = batches(shards, batching, 13 - start, epoch_batches=5, start=start)
            assert some == whole[start:], start

    def test_order_depends_on_seed_and_round(self, shards):
        first, same = (batches(shards, PAD, 30, epoch_batches=15) for _ in range(2))
        assert first == same
        assert first[:15] != first[15:]
        assert first != batches(shards, PAD, 30, epoch_batches=15, seed=1)

    def test_an_epoch_has_every_example_once(self, shards):
        rows = PAD.rows(20)
        assert EXAMPLES % rows == 0
        result = batches(shards, PAD, 3 * EXAMPLES // rows, epoch_batches=EXAMPLES // rows)
        seen = names(result)
        epochs = [seen[i : i + EXAMPLES] for i in range(0, 3 * EXAMPLES, EXAMPLES)]
        for epoch in epochs:
            assert sorted(epoch) == list(range(EXAMPLES))
            assert epoch != sorted(epoch)
        assert epochs[0] != epochs[1] != epochs[2]

    def test_a_round_of_several_epochs_shuffles_each_anew(self, shards):
        seen = names(batches(shards, PAD, EXAMPLES, epoch_batches=1000))
        first, second = seen[:EXAMPLES], seen[EXAMPLES:]
        assert sorted(first) == sorted(second) == list(range(EXAMPLES))
        assert first != second

    def test_the_shuffle_goes_beyond_shards_and_windows(self, shards, monkeypatch):
        monkeypatch.setattr(inputs, "SHUFFLE_WINDOW", 16)
        seen = names(batches(shards, PAD, EXAMPLES // 2, epoch_batches=EXAMPLES // 2))
        assert sorted(seen) == list(range(EXAMPLES))


@pytest.mark.parametrize("static", [False, True])
def test_buckets_hold_like_lengths_within_the_token_limit(shards, static):
    batching = Batching("bucket", 40, 20, first_bucket=4, bucket_step=1.5, static=static)
    # A static bucket's bound is its longest row; others hold what is shorter.
    more = 1 if static else 0
    bounds = [1, *(bound + more for bound in batching.bounds), 21]
    shapes = collections.Counter()
    for batch in batches(shards, batching, 100):
        inputs_BL, targets_BT = np.array(batch["inputs"]), np.array(batch["targets"])
        rows, length = inputs_BL.shape
        assert targets_BT.shape[0] == rows
        assert rows * max(length, targets_BT.shape[1]) <= 40
        lengths = np.maximum((inputs_BL > 0).sum(1), (targets_BT > 0).sum(1))
        bucket = np.searchsorted(bounds, lengths, side="right")
        assert len(set(bucket.tolist())) == 1
        # Full: one row more would not fit the bucket's longest.
        longest = bounds[bucket[0]] - more
        assert rows == 40 // min(longest, 20)
        shapes[inputs_BL.shape] += 1
    assert len(shapes) > 3
    if static:
        assert {length for _, length in shapes} <= {*batching.bounds, 20}


@pytest.mark.parametrize("batching", [PAD, PACK], ids=lambda item: item.kind)
def test_static_kinds_have_one_shape(shards, batching):
    dataset = training_batches(shards, to_examples, batching, seed=0, epoch_batches=9)
    assert {tuple(spec.shape) for spec in dataset.element_spec.values()} == {(2, 20)}
    for batch in batches(shards, batching, 50):
        assert {np.shape(value) for value in batch.values()} == {(2, 20)}
        assert ("targets_segmentation" in batch) is (batching.kind == "pack")


@pytest.mark.parametrize("kind", ["bucket", "pad", "pack"])
def test_rows_and_lengths_are_multiples_where_a_device_wants_them(shards, kind):
    batching = Batching(
        kind, 100, 20, bucket_step=2.0, static=True, rows_multiple=4, length_multiple=6
    )
    result = batches(shards, batching, 30)
    # 100 // 24 rows fit, which is a multiple of 4; of 12 tokens 8 are.
    expected = {"bucket": {(8, 12), (4, 24)}, "pad": {(4, 24)}, "pack": {(4, 24)}}
    assert {np.shape(batch["inputs"]) for batch in result} == expected[kind]


@pytest.mark.parametrize("machines", [3, 2])
def test_machines_read_different_examples(shards, machines):
    """Three machines read a shard each; two machines divide the records."""
    whole = Batching("pad", 40 * machines, 20, static=True, rows_multiple=machines)
    seen = []
    for machine in range(machines):
        result = batches(shards, whole, EXAMPLES // machines // 2, part=(machine, machines))
        assert {np.shape(batch["inputs"]) for batch in result} == {(2, 20)}
        seen += names(result)
    assert sorted(seen) == list(range(EXAMPLES))


@pytest.mark.parametrize("kind", ["bucket", "pad", "pack"])
def test_length_limits(shards, kind):
    batching = Batching(kind, 40, 12, min_length=5)
    result = batches(shards, batching, 60)
    # A packed row holds several examples, so all of its tokens are looked at.
    seen = {token - 2 for batch in result for row in batch["targets"] for token in row if token}
    assert seen == {i for i in range(EXAMPLES) if 5 <= i % 20 + 1 <= 12}


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("assignments", ["max_length=10", "max_length=30,length_bucket_step=1.5"])
def test_evaluation_covers_everything_exactly_once(shards, static, assignments):
    hparams = HParams().override(f"batch_size=64,{assignments}")
    batching = evaluation_batching(hparams, static=static)
    seen = []
    for batch in evaluation_batches(shards, to_examples, batching).as_numpy_iterator():
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
def test_evaluation_of_a_part(shards, static):
    batching = evaluation_batching(HParams().override("batch_size=64,max_length=10"), static=static)
    part = random_part(EXAMPLES, 0.3)
    result = evaluation_batches(shards, to_examples, batching, part).as_numpy_iterator()
    in_order = [i for shard in range(SHARDS) for i in range(shard, EXAMPLES, SHARDS)]
    rows = [{"targets": batch["targets"].tolist()} for batch in result]
    expected = sorted(i for i, is_chosen in zip(in_order, part, strict=True) if is_chosen)
    assert sorted(names(rows)) == expected
    assert len(expected) == 18


def test_batches_of_an_evaluation_are_counted_with_its_long_examples(shards):
    batching = evaluation_batching(HParams().override("batch_size=64,max_length=10"), static=False)
    assert measure(shards, to_examples, batching).kept == EXAMPLES
    real = len(list(evaluation_batches(shards, to_examples, batching)))
    assert measure(shards, to_examples, batching).batches == pytest.approx(
        real, abs=len(batching.bounds) + 1
    )


@pytest.mark.parametrize("static", [False, True])
def test_evaluation_may_drop_what_is_long(shards, static):
    hparams = HParams().override("batch_size=64,max_length=10,eval_drop_long_sequences=true")
    batching = evaluation_batching(hparams, static=static)
    result = list(evaluation_batches(shards, to_examples, batching).as_numpy_iterator())
    rows = [{"targets": batch["targets"].tolist()} for batch in result]
    assert sorted(names(rows)) == [i for i in range(EXAMPLES) if i % 20 + 1 <= 10]


@pytest.mark.parametrize("kind", ["bucket", "pad"])
def test_labels_stay_one_token_wide_where_shapes_are_static(shards, kind):
    def labelled(records):
        examples = to_examples(records)
        return examples.map(
            lambda item: {**item, "targets": tf.ensure_shape(item["targets"][:1], [1])}
        )

    batching = Batching(kind, 40, 20, static=True)
    training = training_batches(shards, labelled, batching, seed=0, epoch_batches=9).take(5)
    evaluation = evaluation_batches(shards, labelled, Batching("bucket", 40, 20, static=True))
    for batch in itertools.chain(training, evaluation):
        rows, length = batch["inputs"].shape
        assert batch["targets"].shape == (rows, 1)
        assert rows == 40 // length


class TestMeasure:
    """What is known of a split before training on it."""

    @pytest.mark.parametrize("batching", [BUCKET, PAD, PACK], ids=lambda item: item.kind)
    def test_estimates_are_what_an_epoch_has(self, shards, batching, monkeypatch):
        monkeypatch.setattr(inputs, "MIN_ROUND_BATCHES", 1)
        sizes = measure(shards, to_examples, batching)
        assert (sizes.examples, sizes.kept) == (EXAMPLES, EXAMPLES)
        result = batches(shards, batching, 5 * sizes.batches, epoch_batches=5 * sizes.batches)
        real = sum(np.count_nonzero(batch["targets"]) for batch in result) / len(result)
        padded = np.mean([np.mean(np.array(item["inputs"]) == 0) for item in result])
        assert sizes.tokens == pytest.approx(real, rel=0.2)
        assert sizes.padded_share == pytest.approx(padded, abs=0.2)
        if batching.kind == "pad":
            assert (sizes.batches, sizes.rows) == (EXAMPLES // 2, 2)

    def test_what_is_left_out(self, shards):
        sizes = measure(shards, to_examples, Batching("pad", 40, 10))
        assert (sizes.examples, sizes.kept, sizes.batches) == (EXAMPLES, 30, 8)

    def test_a_sample_stands_for_all(self, shards, monkeypatch):
        monkeypatch.setattr(inputs, "SAMPLE", 20)
        sizes = measure(shards, to_examples, PAD)
        assert (sizes.examples, sizes.kept, sizes.batches) == (EXAMPLES, EXAMPLES, EXAMPLES // 2)

    def test_no_example_is_within_the_limits(self, shards):
        with pytest.raises(DataError, match="no example is between min_length=30 and "
                           "max_length=40 tokens; they have 1 to 20"):  # fmt: skip
            measure(shards, to_examples, Batching("pad", 40, 40, min_length=30))

    def test_several_labels(self, shards):
        def second_has_two(records):
            return (
                to_examples(records)
                .enumerate()
                .map(
                    lambda i, item: {
                        **item,
                        "targets": item["targets"][: 1 + tf.cast(i == 1, tf.int32)],
                    }
                )
            )

        with pytest.raises(DataError, match="sample 1 has 2 labels; expected one: correct the"):
            measure(shards, second_has_two, replace(PAD, one_label=True))
        assert measure(shards, second_has_two, PAD).examples == EXAMPLES

    def test_no_example_at_all(self, tmp_path):
        with pytest.raises(DataError, match="has no example; run t2t-datagen"):
            measure(write(tmp_path, []), to_examples, PAD)

    def test_a_truncated_shard(self, tmp_path):
        paths = write(tmp_path, [3, 4, 5, 6])
        with open(paths[1], "r+b") as file:
            file.truncate(20)
        with pytest.raises(DataError, match="shard1 is truncated"):
            measure(paths, to_examples, PAD)


@pytest.mark.parametrize("record", [b"\xff\xff\xff", serialized({"targets": "text"})])
def test_a_record_that_is_no_example(tmp_path, record):
    path = str(tmp_path / "p-train-00000-of-00001")
    write_shard(path, [record])
    batching = BUCKET
    with pytest.raises(DataError, match="record 0 of .*00000|a record in .* is damaged") as caught:
        measure([path], to_examples, batching)
    assert len(str(caught.value).splitlines()) == 1


def test_a_flipped_byte_names_the_file(tmp_path):
    shards = write(tmp_path, [5] * 50)
    data = bytearray(Path(shards[-1]).read_bytes())
    data[-20] ^= 8
    Path(shards[-1]).write_bytes(data)
    batching = BUCKET
    with pytest.raises(DataError, match=f"^{shards[-1]}: the record at byte .* is damaged"):
        measure(shards, to_examples, batching)
    for batches in (
        evaluation_batches(shards, to_examples, batching),
        training_batches(shards, to_examples, batching, seed=0, epoch_batches=5),
    ):
        with (
            pytest.raises(DataError, match=f"^{shards[-1]}: the record at byte .* is damaged"),
            inputs.shard_errors(shards),
        ):
            list(batches.as_numpy_iterator())
    with pytest.raises(tf.errors.InvalidArgumentError), inputs.shard_errors(shards):
        tf.debugging.assert_equal(1, 2)
