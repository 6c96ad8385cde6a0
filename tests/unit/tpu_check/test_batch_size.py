"""The search for the largest batch_size that fits."""

import pytest

pytest.importorskip("jax", reason="compiling for a TPU needs jax: pip install t2tlite[tpu]")

from t2tlite.tpu_check.batch_size import MAX_TRIALS, next_batch_size


@pytest.mark.parametrize(("fixed", "per_token"), [(1e9, 1e5), (1e6, 3e5), (5e9, 1e6)])
def test_the_search_ends_near_the_largest_batch_size(fixed, per_token):
    available, tried, step = 16e9, {}, 256

    def compiled_size(batch_size):
        memory = fixed + per_token * batch_size
        return memory if memory <= available else None

    tried[4096] = compiled_size(4096)
    for _ in range(MAX_TRIALS):
        size = next_batch_size(tried, step, available, 10**9)
        if size is None:
            break
        assert size % step == 0
        assert size not in tried
        tried[size] = compiled_size(size)
    best = max(size for size, memory in tried.items() if memory is not None)
    assert 0.9 < best / ((available - fixed) / per_token) <= 1


def test_the_search_goes_down_when_the_first_size_does_not_fit():
    assert next_batch_size({4096: None}, 256, 16e9, 10**9) == 1024
    assert next_batch_size({256: None}, 256, 16e9, 10**9) is None


def test_the_search_ends_at_the_tokens_of_an_epoch():
    assert next_batch_size({256: 1e6}, 256, 16e9, 1000) == 1024
    assert next_batch_size({256: 1e6, 1024: 2e6}, 256, 16e9, 1000) is None
