"""Dropping finished rows changes no result and saves work."""

import keras
import numpy as np
import pytest
from keras import ops

from t2tlite.config import EOS_ID
from t2tlite.search import search

V, STEPS, ROWS = 7, 12, 16
# Each row has probabilities of its own, and ends sooner or later.
TABLES = np.random.default_rng(3).normal(0, 1.5, (ROWS, STEPS, V, V)).astype("float32")
TABLES[..., 0] = -1e9
TABLES[..., EOS_ID] += np.linspace(-3, 3, ROWS)[:, None, None]
LIMITS = np.int32([STEPS, 0, 3, STEPS] * (ROWS // 4))

RUNS = {
    "greedy": (search.greedy, 1, ()),
    "sample": (search.sample, 1, (1.0, 0, 1.0, 5)),
    "beam": (search.beam_search, 3, ()),
}


def stepping(given):
    """A step that looks up its rows' tables and counts the ids of each row in the cache."""

    def step(ids_N, position, cache):
        tables_NVV = ops.take(given["tables"], position, axis=1)
        here_NV = ops.one_hot(ids_N, V, dtype="float32")
        seen_NV = cache["deep"]["seen"] + here_NV
        logits_NV = ops.sum(tables_NVV * here_NV[..., None], axis=1) - 0.5 * seen_NV
        return logits_NV, {"deep": {"seen": seen_NV}}

    return step


def run(name, step, compacts, rows=ROWS, limits=LIMITS):
    searching, beams, options = RUNS[name]
    cache = {"deep": {"seen": ops.zeros((rows * beams, V))}}
    sizes = (rows, STEPS) if beams == 1 else (rows, beams, STEPS, 0.6)
    given = {"tables": ops.repeat(ops.convert_to_tensor(TABLES[:rows]), beams, axis=0)}
    limits = ops.convert_to_tensor(limits[:rows])
    if compacts:
        return searching(step, cache, *sizes, *options, row_limits_B=limits, given=given)
    return searching(step(given), cache, *sizes, *options, row_limits_B=limits)


class Searcher(keras.Model):
    def __init__(self, name):
        super().__init__()
        self.run = name

    def call(self, features):
        return run(self.run, stepping, compacts=True, limits=features)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("compiled", [False, True])
def test_results_are_the_same_with_and_without_compaction(name, compiled):
    expected = run(name, stepping, compacts=False)
    if compiled:
        found = Searcher(name).predict_on_batch(LIMITS)
    else:
        found = run(name, stepping, compacts=True)
    expected_ids, expected_scores = map(ops.convert_to_numpy, expected)
    ids, scores = map(ops.convert_to_numpy, found)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)
    # Lengths from none to all.
    assert {0, 3, STEPS} < set((ids.reshape(ROWS, -1, STEPS)[:, 0] != 0).sum(-1))


@pytest.mark.parametrize("name", RUNS)
def test_finished_rows_are_dropped(name):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("shapes are static on other backends")
    sizes = []

    def counted(given):
        step = stepping(given)

        def counting(ids_N, position, cache):
            sizes.append(int(ops.shape(ids_N)[0]) // RUNS[name][1])
            return step(ids_N, position, cache)

        return counting

    ids, _ = run(name, counted, compacts=True)
    # The batch shrinks as rows finish.
    assert sizes[0] == ROWS
    assert sizes == sorted(sizes, reverse=True)
    assert 0 < sizes[-1] <= ROWS // 4
    steps = len(sizes)
    # At each step at least half of the rows were not done.
    lengths = np.sum(ops.convert_to_numpy(ids).reshape(ROWS, -1, STEPS)[:, 0] != 0, axis=-1)
    if name != "beam":  # whose answers may be done later than they end
        left = [int((lengths > step).sum()) for step in range(1, steps)]
        assert all(rows < 2 * one for rows, one in zip(sizes[1:], left, strict=True))


@pytest.mark.parametrize("rows", [1, 2])
def test_few_rows(rows):
    for name in RUNS:
        found, expected = run(name, stepping, True, rows), run(name, stepping, False, rows)
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (found[0], expected[0])))
