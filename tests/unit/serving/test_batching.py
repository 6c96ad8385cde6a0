"""Lines of many requests are decoded together, and an error affects only its own line."""

import threading
from concurrent.futures import CancelledError

import pytest

from t2tlite.errors import DataError
from t2tlite.serving import batching
from t2tlite.serving.batching import Batcher, QueueFullError, StoppingError
from t2tlite.serving.limits import Limits
from tests.unit.serving.conftest import until


class Gate:
    """A decode function that waits until it is opened, and records its batches."""

    def __init__(self):
        self.open = threading.Event()
        self.batches = []
        self.firsts = []

    def __call__(self, kind, lines, first):
        self.batches.append((kind, list(lines)))
        self.firsts.append(first)
        assert self.open.wait(10)
        if "bad" in lines:
            raise DataError("a bad line")
        if "bug" in lines:
            raise ValueError("a bug")
        return [line.upper() for line in lines]


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def make_batcher(gate):
    batchers = []

    def make(**limits):
        batchers.append(Batcher(lambda: gate, Limits(**{"batch_timeout_ms": 0, **limits})))
        assert batchers[-1].wait_ready() is gate
        return batchers[-1]

    yield make
    gate.open.set()
    for batcher in batchers:
        batcher.stop(10)


def submit_first(batcher, gate):
    """Submits a line and waits until it is being decoded, so that later lines queue up."""
    future = batcher.submit("k", ["first"])
    until(lambda: gate.batches)
    return future


def answered(*futures):
    return [future.result(10) for future in futures]


def test_requests_that_wait_share_a_batch(make_batcher, gate):
    batcher = make_batcher()
    first = submit_first(batcher, gate)
    futures = [batcher.submit("k", [f"a{i}", f"b{i}"]) for i in range(3)]
    assert len(batcher) == 6
    gate.open.set()
    assert answered(first, *futures) == [["FIRST"], *([f"A{i}", f"B{i}"] for i in range(3))]
    assert gate.batches[1:] == [("k", ["a0", "b0", "a1", "b1", "a2", "b2"])]


def test_a_batch_has_lines_of_one_kind_and_of_like_length(make_batcher, gate):
    batcher = make_batcher(max_batch_size=3)
    submit_first(batcher, gate)
    long = "x" * 200
    futures = [
        batcher.submit(kind, [line])
        for kind, line in [("k", "1"), ("other", "2"), ("k", long), ("k", "3"), ("k", "4")]
    ]
    futures += [batcher.submit("k", ["5"])]
    gate.open.set()
    assert [row[0] for row in answered(*futures)] == ["1", "2", long.upper(), "3", "4", "5"]
    assert [lines for _, lines in gate.batches[1:]] == [["1", "3", "4"], ["2"], [long], ["5"]]


def test_a_full_batch_does_not_wait(make_batcher, gate):
    gate.open.set()
    patient = make_batcher(batch_timeout_ms=60_000, max_batch_size=2)
    futures = [patient.submit("k", ["a"])]
    # The second line fills the batch, so it is decoded before the minute is over.
    futures.append(patient.submit("k", ["b"]))
    assert answered(*futures) == [["A"], ["B"]]
    assert [lines for _, lines in gate.batches] == [["a", "b"]]


def test_a_line_that_fails_fails_alone(make_batcher, gate, caplog):
    batcher = make_batcher()
    first = submit_first(batcher, gate)
    good, bad, bug = (batcher.submit("k", [line]) for line in ("good", "bad", "bug"))
    two = batcher.submit("k", ["fine", "bad"])
    gate.open.set()
    assert answered(first, good) == [["FIRST"], ["GOOD"]]
    with pytest.raises(DataError, match="a bad line"):
        bad.result(10)
    with pytest.raises(DataError, match="a bad line"):
        two.result(10)
    with pytest.raises(ValueError, match="a bug"):
        bug.result(10)
    # Only an error that isn't the user's is logged with its traceback.
    assert [record.exc_info[0] for record in caplog.records] == [ValueError]
    assert batcher.alive
    assert answered(batcher.submit("k", ["next"])) == [["NEXT"]]


def test_a_full_queue_refuses_a_request_and_says_when_to_retry(make_batcher, gate):
    batcher = make_batcher(max_queue=3, max_instances=3)
    submit_first(batcher, gate)
    kept = batcher.submit("k", ["a", "b"])
    with pytest.raises(QueueFullError) as caught:
        batcher.submit("k", ["c", "d"])
    assert caught.value.retry_after_seconds >= 1
    # None of its lines were queued.
    assert len(batcher) == 2
    also = batcher.submit("k", ["e"])
    gate.open.set()
    assert answered(kept, also) == [["A", "B"], ["E"]]


def test_dropped_lines_are_not_decoded(make_batcher, gate):
    batcher = make_batcher()
    first = submit_first(batcher, gate)
    gone, kept = batcher.submit("k", ["gone"]), batcher.submit("k", ["kept"])
    batcher.drop(gone)
    batcher.drop(first)
    gate.open.set()
    assert answered(kept) == [["KEPT"]]
    assert [lines for _, lines in gate.batches] == [["first"], ["kept"]]
    with pytest.raises(CancelledError):
        gone.result(10)


def test_stopping_answers_queued_lines(make_batcher, gate):
    batcher = make_batcher(batch_timeout_ms=60_000)
    # Stopping ends the minute's wait.
    future = batcher.submit("k", ["a"])
    gate.open.set()
    batcher.stop(10)
    assert answered(future) == [["A"]]
    assert not batcher.alive
    with pytest.raises(StoppingError):
        batcher.submit("k", ["b"])


def test_an_error_while_loading_is_raised():
    def load():
        raise DataError("no model")

    with pytest.raises(DataError, match="no model"):
        Batcher(load, Limits()).wait_ready()


def test_a_line_that_fails_is_decoded_alone_with_its_number_in_the_request(make_batcher, gate):
    batcher = make_batcher()
    first = submit_first(batcher, gate)
    other = batcher.submit("k", ["a"])
    failing = batcher.submit("k", ["b", "b", "c", "c", "bad", "bad"], repeat=2)
    gate.open.set()
    assert answered(first, other) == [["FIRST"], ["A"]]
    with pytest.raises(DataError):
        failing.result(10)
    until(lambda: len(gate.firsts) == 9)
    # The first line, the batch of seven, then each of its lines.
    assert gate.firsts == [0, 0, 0, 0, 0, 1, 1, 2, 2]


def test_a_call_runs_after_the_lines_before_it(make_batcher, gate):
    batcher = make_batcher()
    first = submit_first(batcher, gate)
    before = batcher.submit("k", ["before"])
    seen = batcher.call(lambda: [lines for _, lines in gate.batches])
    gate.open.set()
    assert answered(first, before) == [["FIRST"], ["BEFORE"]]
    assert seen.result(10) == [["first"], ["before"]]

    def fail():
        raise DataError("not loaded")

    with pytest.raises(DataError, match="not loaded"):
        batcher.call(fail).result(10)
    assert batcher.alive
    batcher.stop(10)
    with pytest.raises(StoppingError):
        batcher.call(fail)


def test_streams_end_before_a_call_and_later_ones_begin_after_it(make_batcher, gate):
    batcher, events, letters = make_batcher(), [], threading.Semaphore(0)

    def stream(kind, line):
        for letter in line:
            assert letters.acquire(timeout=10)
            events.append(letter)
            yield letter

    gate.stream = stream
    gate.open.set()
    one = batcher.stream("k", "ab", lambda answer: None)
    letters.release(1)
    until(lambda: events)
    call = batcher.call(lambda: events.append("call"))
    other = batcher.stream("k", "cd", lambda answer: None)
    # Lines needn't wait for either.
    line = batcher.submit("k", ["x"])
    letters.release(9)
    assert answered(one, other, line) == [["b"], ["d"], ["X"]]
    assert call.result(10) is None
    assert events == ["a", "b", "call", "c", "d"]


def test_only_so_many_answers_are_streamed_at_once(make_batcher, gate, monkeypatch):
    monkeypatch.setattr(batching, "MOST_STREAMS", 2)
    batcher, running, most = make_batcher(), set(), []

    def stream(kind, line):
        running.add(line)
        for _ in range(3):
            most.append(len(running))
            yield line
        running.discard(line)

    gate.stream = stream
    gate.open.set()
    futures = [batcher.stream("k", name, lambda answer: None) for name in "abcde"]
    assert answered(*futures) == [[name] for name in "abcde"]
    assert max(most) == 2
