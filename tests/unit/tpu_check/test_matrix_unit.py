"""Products that leave a part of the matrix unit idle, and the hparams that fix it."""

import pytest

from t2tlite.config import HParams, ProblemHParams
from t2tlite.tpu_check.hlo import Product
from t2tlite.tpu_check.matrix_unit import find_waste, known_fixes, padded_flops

FULL = Product("encoder/layer_0/query", 8, 128, 128, 1, 1)
HEADS = [Product(f"encoder/layer_{i}/self_attention", 256, 32, 256, 64, 1) for i in range(2)]


def test_a_partial_block_takes_as_long_as_a_whole_one():
    assert padded_flops(FULL, 128) == FULL.flops
    assert padded_flops(Product("", 1, 129, 128, 3, 2), 128) == 2 * 8 * 256 * 128 * 3 * 2
    assert padded_flops(FULL, 256) == 4 * FULL.flops


def test_waste_is_reported_once_for_all_layers_with_its_fix():
    hparams = HParams(hidden_size=128, num_heads=4, filter_size=512)
    fixes = known_fixes(hparams, ProblemHParams({"targets": 1000}), 256, 128)
    (waste,) = find_waste([FULL, *HEADS], 128, fixes)
    assert waste.layer == "encoder/layer_*/self_attention"
    assert (waste.size, waste.used) == ("256 x 32 x 256", 0.25)
    assert waste.fix == "num_heads=1 (heads 128 wide)"
    assert find_waste([FULL], 128, fixes) == []


@pytest.mark.parametrize(
    ("size", "fix"),
    [
        (100, "hidden_size=128"),
        (300, "filter_size=384"),
        (1001, "vocab_divisor=128"),
        (60, "max_length=128"),
        (25, "hidden_size=128 and num_heads=1"),
    ],
)
def test_the_fix_of_a_dimension(size, fix):
    hparams = HParams(hidden_size=100, num_heads=4, filter_size=300)
    fixes = known_fixes(hparams, ProblemHParams({"targets": 1001}), 60, 128)
    assert fixes[size] == fix
