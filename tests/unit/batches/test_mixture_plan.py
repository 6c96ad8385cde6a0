"""The plan of a mixture: shares, whole passes of every member, rounds that need no history."""

import itertools

import numpy as np
import pytest

from t2tlite.batches import mixture_plan
from t2tlite.batches.batching import Batching
from t2tlite.batches.examples import StoredExamples
from t2tlite.batches.inputs import TrainingBatches
from t2tlite.batches.mixed_examples import MixedExamples, TaggedExamples
from t2tlite.batches.mixing import Mixing
from t2tlite.errors import DataError

KINDS = list(itertools.product(["bucket", "pad", "pack"], [False, True]))
NAMES = ("long", "short")


def stored(first_id, count, longest):
    """Returns examples of which each has an id of its own."""
    sizes = np.arange(count) % longest + 1
    lengths = {name: sizes.astype(np.int32) for name in ("inputs", "targets")}
    ids = np.repeat(np.arange(first_id, first_id + count), sizes).astype(np.int32)
    return StoredExamples({"inputs": ids, "targets": ids}, lengths)


def batches(mixing, kind="bucket", static=False, seed=0, sizes=(900, 2500), rows=8):
    examples = MixedExamples(
        {"long": stored(1, sizes[0], 40), "short": stored(10_000, sizes[1], 12)}, mixing
    )
    return TrainingBatches(examples, Batching(kind, 40 * rows, 40, static=static), seed)


def ids(made, numbers):
    """Returns the ids of the examples in some batches, each as often as it occurs."""
    found = []
    for number in numbers:
        batch = made.batch(number)
        packed = batch.get("inputs_position")
        is_first = np.zeros_like(batch["inputs"], bool)
        is_first[:, 0] = True
        if packed is not None:
            is_first = (packed == 0) & (batch["inputs_segmentation"] > 0)
        found += [id_ for id_ in batch["inputs"][is_first].tolist() if id_]
    return np.array(found)


@pytest.mark.parametrize(("kind", "static"), KINDS)
@pytest.mark.parametrize("weights", [(0.7, 0.3), (0.05, 0.95)])
def test_shares_over_10000_steps(kind, static, weights):
    made = batches(Mixing.constant(NAMES, weights, "x"), kind, static, rows=2)
    shares = made.shares(0, 10_000)
    assert [shares[name] for name in NAMES] == pytest.approx(weights, rel=0.01)
    # Every batch is mixed, not only all of them together.
    some = made.shares(5_000, 5_100)
    assert [some[name] for name in NAMES] == pytest.approx(weights, abs=0.12)


@pytest.mark.parametrize(("kind", "static"), KINDS)
def test_a_schedule_is_followed_step_by_step(kind, static):
    made = batches(Mixing.scheduled(NAMES, "step @0 1 0 @137 0.2 0.8", "x"), kind, static, rows=2)
    assert made.shares(0, 137)["long"] == 1.0
    assert made.shares(137, 4137)["long"] == pytest.approx(0.2, rel=0.02)
    schedule = "linear @0 1.0, 0.0 @1000 1.0 0.0 @5000 0.0 1.0"
    made = batches(Mixing.scheduled(NAMES, schedule, "x"), kind, static, rows=2)
    assert made.shares(0, 1000)["long"] == 1.0
    for step, share in [(2000, 0.75), (3000, 0.5), (4000, 0.25)]:
        assert made.shares(step - 100, step + 100)["long"] == pytest.approx(share, abs=0.06)
    assert made.shares(5000, 6000)["short"] == 1.0


def test_points_may_be_numbers_of_examples():
    mixing = Mixing(NAMES, (0, 20_000), ((1.0, 0.0), (0.0, 1.0)), "step", counts_examples=True)
    made = batches(mixing, "pad")
    change = next(n for n in range(0, 5000, 10) if made.shares(n, n + 10)["long"] < 1.0)
    assert len(ids(made, range(change))) == pytest.approx(20_000, rel=0.02)


@pytest.mark.parametrize(("kind", "static"), KINDS)
def test_every_member_goes_through_all_its_examples_before_one_comes_again(kind, static):
    made = batches(Mixing.constant(NAMES, (0.5, 0.5), "x"), kind, static, sizes=(300, 800), rows=4)
    counts = np.bincount(ids(made, range(1300)), minlength=12_500)
    for member in (counts[1:301], counts[10_000:10_800]):
        # All of a pass, but for those of a bucket whose batch comes later in the round.
        assert member.max() - member.min() <= (3 if kind == "bucket" else 1)
        assert member.mean() > 3


@pytest.mark.parametrize(("kind", "static"), KINDS)
def test_a_batch_depends_on_its_number_alone_on_any_number_of_machines(kind, static):
    mixing = Mixing.scheduled(NAMES, "linear @0 0.9 0.1 @4000 0.3 0.7", "x")
    through = batches(mixing, kind, static)
    for number in range(0, 6000, 2000):
        through.batch(number)
    for number in (0, 999, 4000, 123_456):
        whole = through.batch(number)
        # Resuming there, in another process.
        again = batches(mixing, kind, static).batch(number)
        assert all(np.array_equal(whole[name], again[name]) for name in whole)
        for machines in (2, 4):
            parts = [through.batch(number, i, machines) for i in range(machines)]
            for name, array in whole.items():
                assert np.array_equal(np.concatenate([part[name] for part in parts]), array)
    other = batches(mixing, kind, static, seed=1)
    assert not np.array_equal(ids(other, range(5)), ids(through, range(5)))


def test_signatures_hold_for_all_batches():
    for kind, static in KINDS:
        made = batches(Mixing.constant(NAMES, (1, 1), "x"), kind, static)
        for number in range(0, 2100, 211):
            for name, array in made.batch(number).items():
                shape, dtype = made.signature[name]
                assert str(array.dtype) == dtype
                pairs = zip(shape, array.shape, strict=True)
                assert all(expected in (None, size) for expected, size in pairs)


def test_the_order_never_changes():
    """A later version must not train in another order without a new plan.ORDER."""
    made = batches(Mixing.constant(NAMES, (0.7, 0.3), "x"), sizes=(10, 10), rows=1)
    assert ids(made, range(3)).tolist() == ORDER


ORDER = [10006, 7, 2, 1, 4, 10009, 10, 10]


def test_a_member_without_a_usable_example_is_named():
    mixing = Mixing.constant(NAMES, (0.7, 0.3), "x")
    examples = MixedExamples({"long": stored(1, 9, 40), "short": stored(50, 9, 2)}, mixing)
    with pytest.raises(DataError, match="short: no example is between min_length=5"):
        TrainingBatches(examples, Batching("bucket", 400, 40, min_length=5), 0)
    # One that isn't used may be empty.
    unused = MixedExamples(examples.parts, Mixing.constant(NAMES, (1, 0), "x"))
    made = TrainingBatches(unused, Batching("bucket", 400, 40, min_length=5), 0)
    assert made.shares(0, 50)["long"] == 1.0


def test_halved_batches_lose_nothing():
    made = batches(Mixing.constant(NAMES, (0.5, 0.5), "x"))
    plan, _ = made._planner.at(0)
    assert len(plan) == mixture_plan._ROUND
    assert plan.row_starts[-1] == len(plan.member_starts) - 1
    assert (np.diff(plan.row_starts) == plan.rows).all()


def test_tags_come_before_the_ids():
    tagged = TaggedExamples(stored(7, 3, 3), {"inputs": [4, 5]})
    assert tagged.lengths.tolist() == [[3, 1], [4, 2], [5, 3]]
    inputs, targets = tagged.ids(np.array([2, 0]))
    assert inputs.tolist() == [4, 5, 9, 9, 9, 4, 5, 7]
    assert targets.tolist() == [9, 9, 9, 7]
