"""The parts of a beam search step."""

import numpy as np
import pytest
from keras import ops

from t2tlite.search import beams


@pytest.mark.parametrize("size", [5, 64, 640, 1000, 1023])
@pytest.mark.parametrize("values", ["distinct", "equal", "infinite"])
def test_fast_top_k_is_top_k(size, values):
    rng = np.random.default_rng(size)
    x = rng.normal(0, 1, (7, size)).astype("float32")
    if values == "equal":
        x = np.round(x) + 0  # no -0, which JAX puts below 0
    if values == "infinite":
        x[rng.random(x.shape) < 0.99] = -np.inf
    order = np.argsort(-x, axis=-1, kind="stable")[:, :4]
    values_top, index = beams.fast_top_k(ops.convert_to_tensor(x), 4)
    np.testing.assert_array_equal(index, order)
    np.testing.assert_array_equal(values_top, np.take_along_axis(x, order, axis=-1))


@pytest.mark.parametrize("banned", [-1e9, -np.inf])
def test_log_sum_exp_is_that_of_all_logits(banned):
    logits = np.random.default_rng(0).normal(0, 9, (5, 300)).astype("float32")
    logits[:, :100] = banned
    best = ops.convert_to_tensor(np.argmax(logits, axis=1).astype(np.int32))
    totals = beams.log_sum_exp(ops.convert_to_tensor(logits), best)
    np.testing.assert_allclose(totals, np.logaddexp.reduce(logits, axis=1), rtol=1e-6)


def test_the_length_penalty_is_that_of_wu_et_al():
    penalties = beams.length_penalty(ops.convert_to_tensor([1, 7]), 0.6)
    np.testing.assert_allclose(penalties, [1, 2**0.6], rtol=1e-6)


def test_pick_has_an_index_for_each_row():
    x = np.arange(24).reshape(2, 3, 4)
    picked = beams.pick(ops.convert_to_tensor(x), ops.convert_to_tensor([[2, 2], [0, 1]]))
    np.testing.assert_array_equal(picked, [x[0, [2, 2]], x[1, [0, 1]]])


def test_reorder_moves_every_tensor_of_a_cache_within_its_rows():
    cache = {"a": ops.arange(4), "b": {"c": ops.reshape(ops.arange(8), (4, 2))}}
    moved = beams.reorder(cache, ops.convert_to_tensor([[1, 1], [1, 0]], "int32"))
    np.testing.assert_array_equal(moved["a"], [1, 1, 3, 2])
    np.testing.assert_array_equal(moved["b"]["c"], [[2, 3], [2, 3], [6, 7], [4, 5]])
