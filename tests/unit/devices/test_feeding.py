"""Batches for Keras's fit: in order, made in the background, with the time waited."""

import itertools
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from t2tlite.devices.feeding import AHEAD, Feed

ANY = (None, None), "int32"
SIGNATURE = {"inputs": ANY, "targets": ANY}


def rows(number, share=0, shares=1):
    """Batch n has n + 4 rows; their values are those of the row numbers."""
    total = number + 4
    own = np.arange(total * share // shares, total * (share + 1) // shares, dtype=np.int32)
    return {"inputs": own[:, None].repeat(number + 1, 1), "targets": own[:, None] + 1}


def test_batches_in_order_for_a_loop():
    feed = Feed(rows, SIGNATURE, first=3).iterate(share=1, shares=2)
    for number, (batch,) in zip(range(3, 23), feed, strict=False):
        assert sorted(batch) == ["inputs", "targets", "waited"]
        for name, values in rows(number, 1, 2).items():
            assert np.array_equal(batch[name], values)
        assert batch["waited"].shape == (len(batch["inputs"]),)
        assert batch["waited"].dtype == np.float32


def test_batches_in_order_for_tensorflow():
    dataset = Feed(rows, SIGNATURE, first=3).dataset()
    assert dataset.element_spec["inputs"].shape.as_list() == [None, None]
    for number, batch in zip(range(3, 23), dataset.as_numpy_iterator(), strict=False):
        for name, values in rows(number).items():
            assert np.array_equal(batch[name], values)


def test_devices_get_the_rows_of_a_batch_in_turn():
    dataset = Feed(rows, SIGNATURE, first=4).dataset(shares=4, first_share=2, own_shares=2)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    found = [batch["inputs"][:, 0].tolist() for batch in dataset.take(4).as_numpy_iterator()]
    assert found == [[4, 5], [6, 7], [4, 5], [6, 7, 8]]


def test_fixed_shapes_are_declared():
    feed = Feed(
        lambda *_: {"targets": np.ones((4, 1), np.int32)}, {"targets": ((4, 1), "int32")}, first=0
    )
    assert feed.dataset().element_spec["targets"].shape.as_list() == [4, 1]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_waiting_time_for_a_slow_batch(backend):
    def slow(number, share, shares):
        time.sleep(0.5 if number == 1 else 0)
        return rows(number)

    feed = Feed(slow, SIGNATURE, first=0)
    if backend == "jax":
        taken = (batch for (batch,) in feed.iterate(0, 1))
    else:
        taken = feed.dataset().as_numpy_iterator()
    # A taker that is slower than the data waits for the slow batch alone.
    waited = [float(batch["waited"].sum()) for batch in itertools.islice(taken, 3)]
    assert waited[1] > 0.4
    assert waited[2] < 0.25


def test_batches_are_copied_ahead_in_the_background():
    copied = []

    def to_device(batch):
        copied.append(threading.current_thread().name)
        return {**batch, "copied": np.ones(1)}

    loop = Feed(rows, SIGNATURE, first=0).iterate(0, 1, to_device)
    (batch,) = next(loop)
    assert "copied" in batch
    deadline = time.monotonic() + 10
    while len(copied) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    # Before they were asked for, and not where Keras's loop runs.
    assert len(copied) >= 3
    assert set(copied) == {"batches"}


def test_errors_reach_the_caller():
    def fails(number, share, shares):
        if number == 2:
            raise ValueError("no such batch")
        return rows(number)

    with pytest.raises(ValueError, match="no such batch"):
        list(Feed(fails, SIGNATURE, first=0).iterate(0, 1))
    feed = Feed(fails, SIGNATURE, first=0)
    with pytest.raises(tf.errors.OpError):
        list(feed.dataset().as_numpy_iterator())
    assert str(feed.error) == "no such batch"


def test_the_background_stops_with_the_loop():
    made = []
    feed = Feed(lambda number, *_: made.append(number) or rows(number), SIGNATURE, first=0)
    loop = feed.iterate(0, 1)
    next(loop)
    loop.close()
    for thread in threading.enumerate():
        if thread.name == "batches":
            thread.join(timeout=5)
            assert not thread.is_alive()
    assert len(made) <= AHEAD + 3
