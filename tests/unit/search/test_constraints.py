"""Constraints on ids, under every search; on either backend (`KERAS_BACKEND`)."""

import numpy as np
import pytest
from keras import ops

from t2tlite.config import EOS_ID
from t2tlite.search import constraints, search

V, EOS = 6, EOS_ID
STEPS = 9


def favouring(*ids):
    """A step that always prefers these ids, in this order."""
    logits_V = np.linspace(0, -1, V).astype("float32")
    for rank, token_id in enumerate(ids):
        logits_V[token_id] = 10.0 - rank
    return lambda ids_N, position, cache: (ops.tile(logits_V[None], (len(ids_N), 1)), cache)


def greedy(step, cache=None, rows=1, **limits):
    ids, scores = search.greedy(step, cache or {}, rows, STEPS, **limits)
    return ops.convert_to_numpy(ids).tolist(), ops.convert_to_numpy(scores)


def beams(step, cache=None):
    ids, scores = search.beam_search(step, cache or {}, 1, 3, STEPS, 0.0)
    return ops.convert_to_numpy(ids)[0].tolist(), ops.convert_to_numpy(scores)[0]


def runs(ids, size):
    return [tuple(ids[i : i + size]) for i in range(len(ids) - size + 1)]


def test_rows_begin_with_their_prefixes_and_continue_freely():
    prefixes = ops.convert_to_tensor([[2, 3], [4, 0], [0, 0]], "int32")
    ids, scores = greedy(constraints.forced(favouring(5, EOS), prefixes), rows=3)
    assert [row[:3] for row in ids] == [[2, 3, 5], [4, 5, 5], [5, 5, 5]]
    # Forced ids don't change the score.
    assert scores[0] / 7 == pytest.approx(scores[2] / 9)


def test_a_prefix_is_forced_on_every_beam():
    prefix = ops.convert_to_tensor([[2, 3]] * 3, "int32")
    ids, scores = beams(constraints.forced(favouring(EOS, 4), prefix))
    assert [row[:2] for row in ids] == [[2, 3]] * 3
    assert ids[0][:4] == [2, 3, EOS, 0]
    assert len({tuple(row) for row in ids}) == 3
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("least", [0, 1, 4])
def test_no_row_ends_before_its_least_length(least):
    step = constraints.at_least(favouring(EOS, 0), ops.convert_to_tensor([least, 2]))
    ids, _ = greedy(step, rows=2)
    for row, expected in zip(ids, [least, 2], strict=True):
        assert row.index(EOS) == expected
        assert 0 not in row[:expected]


def test_a_beam_that_may_not_end_is_as_long_as_its_limit():
    step = constraints.at_least(favouring(EOS, 0, 3), ops.full((3,), STEPS, "int32"))
    ids, _ = beams(step)
    assert ids[0] == [3] * STEPS


@pytest.mark.parametrize("size", [1, 2, 3])
def test_no_ngram_occurs_twice(size):
    room = ops.zeros((2, STEPS), "int32")
    step, cache = constraints.no_repeat(favouring(2, 3, EOS), {}, size, room)
    ids, _ = greedy(step, cache, rows=2)
    written = ids[0][: ids[0].index(EOS) + 1 if EOS in ids[0] else None]
    assert ids[0] == ids[1]
    assert len(set(runs(written, size))) == len(runs(written, size))
    # Only repetitions are forbidden.
    assert written[:size] == [2] * size
    free, _ = greedy(favouring(2, 3, EOS))
    assert free[0] == [2] * STEPS


def test_no_ngram_occurs_twice_in_a_beam():
    step, cache = constraints.no_repeat(favouring(2, 3, EOS), {}, 2, ops.zeros((3, STEPS), "int32"))
    ids, _ = beams(step, cache)
    free, _ = beams(favouring(2, 3, EOS))
    for row in ids:
        written = [one for one in row if one]
        assert len(set(runs(written, 2))) == len(runs(written, 2))
    assert any(len(set(runs(row, 2))) < len(runs(row, 2)) for row in free)


def test_the_wrapped_step_has_its_own_cache():
    def counting(ids_N, position, cache):
        logits, _ = favouring(2, 3)(ids_N, position, {})
        return logits, {"count": cache["count"] + 1}

    step, cache = constraints.no_repeat(
        counting, {"count": ops.zeros((1,), "int32")}, 2, ops.zeros((1, STEPS), "int32")
    )
    for position in range(3):
        _, cache = step(ops.zeros((1,), "int32"), position, cache)
    assert int(cache["inner"]["count"][0]) == 3
