"""The plan of batches: a pure function of lengths, seed and round; sizes are exact."""

import numpy as np
import pytest

from t2tlite.batches import plan
from t2tlite.batches.batching import Batching
from t2tlite.batches.plan import Planner, shuffled
from t2tlite.errors import DataError

LENGTHS = np.array([[i % 20 + 1, max(1, i % 20)] for i in range(60)], np.int32)
KINDS = ["bucket", "pad", "pack"]


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch):
    monkeypatch.setattr(plan, "MIN_ROUND_BATCHES", 1)


def same(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in vars(a))


@pytest.mark.parametrize("kind", KINDS)
def test_order_depends_on_seed_and_round_alone(kind):
    batching = Batching(kind, 40, 20)
    planner = Planner(LENGTHS, batching, seed=3)
    first = planner.round(0)
    assert same(first, Planner(LENGTHS, batching, seed=3).round(0))
    assert not same(first, planner.round(1))
    assert not same(first, Planner(LENGTHS, batching, seed=-3).round(0))
    assert same(first, planner.round(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("static", [False, True])
def test_every_round_has_each_example_as_often_and_as_many_batches(kind, static, monkeypatch):
    monkeypatch.setattr(plan, "MIN_ROUND_BATCHES", 40)
    planner = Planner(LENGTHS, Batching(kind, 40, 12, min_length=5, static=static), seed=1)
    kept = [i for i in range(60) if 5 <= i % 20 + 1 <= 12]
    assert planner.kept.tolist() == kept
    assert planner.passes > 1
    rounds = [planner.round(number) for number in range(4)]
    for one in rounds:
        assert sorted(one.members.tolist()) == sorted(kept * planner.passes)
    assert len({len(one) for one in rounds}) == 1
    assert len(rounds[0]) > 30


def test_the_numbers_never_change():
    """A later version must not train in another order without a new plan.ORDER."""
    assert plan.ORDER == 1
    assert shuffled(np.arange(8), 7, 1, 2).tolist() == [4, 1, 7, 6, 2, 5, 0, 3]


@pytest.mark.parametrize("static", [False, True])
def test_buckets_hold_like_lengths_within_the_token_limit(static):
    batching = Batching("bucket", 40, 20, first_bucket=4, bucket_step=1.5, static=static)
    one = Planner(LENGTHS, batching).round(0)
    more = 1 if static else 0
    edges = [1, *(bound + more for bound in batching.bounds), 21]
    full = 0
    for number in range(len(one)):
        members = one.members[one.row_starts[number] : one.row_starts[number + 1]]
        longest = LENGTHS[members].max(axis=1)
        bucket = set(np.searchsorted(edges, longest, side="right").tolist())
        assert len(bucket) == 1
        top = min(edges[bucket.pop()] - more, 20)
        assert len(members) <= 40 // top
        assert one.rows[number] == (40 // top if static else len(members))
        expected = [top, top] if static else LENGTHS[members].max(axis=0).tolist()
        assert one.widths[number].tolist() == expected
        full += len(members) == 40 // top
    assert full > len(one) // 2


def test_an_epoch_of_one_shape_is_in_the_order_of_the_shuffle():
    one = Planner(LENGTHS, Batching("pad", 40, 20), seed=5).round(0)
    assert one.members.tolist() == shuffled(np.arange(60), 5, 0, 0).tolist()
    assert one.row_starts.tolist() == list(range(0, 61, 2))


def test_batches_of_a_rare_bucket_are_anywhere():
    lengths = np.full((2000, 1), 4, np.int32)
    lengths[7] = 20
    places = []
    for seed in range(40):
        one = Planner(lengths, Batching("bucket", 40, 20), seed=seed).round(0)
        places.append(int(np.flatnonzero(one.widths[:, 0] == 20)[0]) / len(one))
    assert min(places) < 0.2
    assert max(places) > 0.8


def test_long_examples_of_an_evaluation_have_batches_of_their_own():
    lengths = np.array([[n] for n in (4, 19, 21, 35, 90, 5)], np.int32)
    one = Planner(lengths, Batching("bucket", 80, 20, unbounded=True)).in_order()
    rows = [m.tolist() for m in np.split(one.members, one.row_starts[1:-1])]
    assert sorted(map(sorted, rows)) == [[0, 5], [1], [2, 3], [4]]


def test_no_example_is_within_the_limits():
    with pytest.raises(DataError, match="no example is between min_length=30 and max_length=40 "
                       "tokens; they have 1 to 20"):  # fmt: skip
        Planner(LENGTHS, Batching("pad", 40, 40, min_length=30))


def test_several_labels():
    lengths = np.array([[5, 1], [7, 2]], np.int32)
    with pytest.raises(DataError, match="sample 1 has 2 labels; expected one: correct the"):
        Planner(lengths, Batching("pad", 40, 20, one_label=True))
    assert len(Planner(lengths, Batching("pad", 40, 20)).kept) == 2


class TestSizes:
    """What is known before training is exact."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("static", [False, True])
    def test_counts(self, kind, static):
        planner = Planner(LENGTHS, Batching(kind, 40, 10, static=static))
        one = planner.round(0)
        sizes = planner.sizes(one, planner.passes)
        assert (sizes.examples, sizes.kept, sizes.batches) == (60, 30, len(one))
        assert sizes.rows == pytest.approx(30 / len(one))
        assert sizes.tokens == pytest.approx(LENGTHS[one.members, 1].sum() / len(one))
        slots = sum(rows * widths.sum() for rows, widths in zip(one.rows, one.widths, strict=True))
        assert sizes.padded_share == pytest.approx(1 - LENGTHS[one.members].sum() / slots)
        assert sizes.row_length == one.widths.max()

    def test_several_passes(self, monkeypatch):
        monkeypatch.setattr(plan, "MIN_ROUND_BATCHES", 100)
        planner = Planner(LENGTHS, Batching("pad", 40, 20))
        assert planner.passes == 4
        sizes = planner.sizes(planner.round(0), planner.passes)
        assert (sizes.batches, sizes.rows) == (30, 2)
