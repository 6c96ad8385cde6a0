"""What numbers of a program mean: waste, roofline, the next batch_size to try."""

import pytest

from t2tlite.config import HParams, ProblemHParams
from t2tlite.tpu_check.advice import (
    known_sizes,
    next_batch_size,
    padded_flops,
    roofline,
    sent_bytes,
    wastes,
)
from t2tlite.tpu_check.operations import Collective, Product
from t2tlite.tpu_check.topology import CHIPS, Topology

V5E, V6E = CHIPS["v5e"], CHIPS["v6e"]
FULL = Product("encoder/layer_0/query", 8, 128, 128, 1, 1)
HEADS = [Product(f"encoder/layer_{i}/self_attention", 256, 32, 256, 64, 1) for i in range(2)]


def test_smaller_blocks_take_as_long_as_whole_ones():
    assert padded_flops(FULL, V5E) == FULL.flops
    assert padded_flops(Product("", 1, 129, 128, 3, 2), V5E) == 2 * 8 * 256 * 128 * 3 * 2
    assert padded_flops(FULL, V6E) == 4 * FULL.flops


def test_waste_is_told_once_for_all_layers_with_what_would_mend_it():
    hparams = HParams(hidden_size=128, num_heads=4, filter_size=512)
    sizes = known_sizes(hparams, ProblemHParams({"targets": 1000}), 256, V5E)
    (found,) = wastes([FULL, *HEADS], V5E, sizes)
    assert found.layer == "encoder/layer_*/self_attention"
    assert (found.size, found.filled) == ("256 x 32 x 256", 0.25)
    assert found.mend == "num_heads=1 (heads 128 wide)"
    assert wastes([FULL], V5E, sizes) == []


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        (100, "hidden_size=128"),
        (300, "filter_size=384"),
        (1001, "vocab_divisor=128"),
        (60, "max_length=128"),
    ],
)
def test_what_would_mend_a_dimension(wrong, mend):
    hparams = HParams(hidden_size=100, num_heads=4, filter_size=300)
    sizes = known_sizes(hparams, ProblemHParams({"targets": 1001}), 60, V5E)
    assert sizes[wrong] == mend
    assert sizes[25] == "hidden_size=128 and num_heads=1"


def test_what_a_core_sends():
    assert sent_bytes(Collective("all-reduce", 800, 2), 8) == 2 * 2 * 700
    assert sent_bytes(Collective("all-gather", 800, 1), 8) == 700
    assert sent_bytes(Collective("reduce-scatter", 100, 1), 8) == 700
    assert sent_bytes(Collective("all-reduce", 800, 1), 1) == 0


def test_roofline():
    two_cores_a_chip = Topology("v4:1x1x1", CHIPS["v4"], (None, None), 1)
    least = roofline([FULL], 1_000_000, [Collective("all-gather", 600, 1)], two_cores_a_chip)
    assert least.matrix == pytest.approx(FULL.flops / (275e12 / 2))
    assert least.memory == pytest.approx(1e6 / 600e9)
    assert least.links == pytest.approx(300 / 150e9)
    assert (least.step, least.limit) == (least.memory, "memory")


@pytest.mark.parametrize(("fixed", "a_token"), [(1e9, 1e5), (1e6, 3e5), (5e9, 1e6)])
def test_the_search_ends_near_the_largest_batch_size(fixed, a_token):
    available, tried, step = 16e9, {}, 256

    def compiled(size):
        taken = fixed + a_token * size
        return taken if taken <= available else None

    tried[4096] = compiled(4096)
    for _ in range(3):
        size = next_batch_size(tried, step, available, 10**9)
        if size is None:
            break
        assert size % step == 0
        assert size not in tried
        tried[size] = compiled(size)
    best = max(size for size, taken in tried.items() if taken is not None)
    assert 0.9 < best / ((available - fixed) / a_token) <= 1


def test_the_search_goes_down_where_the_first_size_does_not_fit():
    assert next_batch_size({4096: None}, 256, 16e9, 10**9) == 1024
    assert next_batch_size({256: None}, 256, 16e9, 10**9) is None


def test_the_search_ends_where_an_epoch_has_no_more_tokens():
    assert next_batch_size({256: 1e6}, 256, 16e9, 1000) == 1024
    assert next_batch_size({256: 1e6, 1024: 2e6}, 256, 16e9, 1000) is None
