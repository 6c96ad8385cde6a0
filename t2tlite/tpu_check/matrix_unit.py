"""Which products of a step leave a part of the matrix unit idle, and which hparam fixes it.

The matrix unit multiplies blocks of `Chip.matrix_unit` rows and columns in k and n, and of 8 in m.
A smaller block takes as long as a whole one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from t2tlite.config import HParams, ProblemHParams
from t2tlite.tpu_check.hlo import Product

SUBLANES = 8  # rows of a register
MIN_WASTE = 0.01  # less waste than this share of a step's matrix time isn't reported


def padded_flops(product: Product, unit: int) -> int:
    """Returns a product's operations with its dimensions rounded up to blocks of `unit`."""
    m, k, n = _round_up(product.m, SUBLANES), _round_up(product.k, unit), _round_up(product.n, unit)
    return 2 * m * k * n * product.copies * product.times


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


@dataclass(frozen=True)
class Waste:
    """Products of one size in the layers of one kind that waste the matrix unit."""

    layer: str  # the layers' path, with "*" for their numbers
    size: str  # m x k x n
    share: float  # of the matrix unit's time in a step
    used: float  # share of the matrix unit that does useful work in that time
    fix: str  # hparams to set; "" where no hparam helps


def find_waste(products: Sequence[Product], unit: int, fixes: Mapping[int, str]) -> list[Waste]:
    """Returns the products that waste a matrix unit of `unit` rows and columns, the worst first.

    `fixes` has what to set for a dimension; see `known_fixes`.
    """
    groups: dict[tuple[str, str], list[Product]] = defaultdict(list)
    for product in products:
        layer = re.sub(r"_\d+\b", "_*", product.layer) or "outside of layers"
        groups[layer, f"{product.m} x {product.k} x {product.n}"].append(product)
    total = sum(padded_flops(product, unit) for product in products)
    wastes = []
    for (layer, size), group in groups.items():
        padded = sum(padded_flops(product, unit) for product in group)
        useful = sum(product.flops for product in group)
        if padded - useful < MIN_WASTE * total:
            continue
        partial = sorted({size for size in (group[0].k, group[0].n) if size % unit})
        fix = dict.fromkeys(fixes[size] for size in partial if size in fixes)
        wastes.append(Waste(layer, size, padded / total, useful / padded, ", ".join(fix)))
    return sorted(wastes, key=lambda waste: (waste.used - 1) * waste.share)


def known_fixes(
    hparams: HParams, problem_hparams: ProblemHParams, row_length: int, unit: int
) -> dict[int, str]:
    """Returns the hparams to set for each dimension that comes from an hparam.

    Where two hparams give the same dimension, the later of the lines below wins.
    """
    channels = hparams.attention_key_channels or hparams.hidden_size
    fix_heads = f"hidden_size={unit} and num_heads=1"
    if channels >= unit:
        heads = max(n for n in range(1, channels // unit + 1) if channels % n == 0)
        fix_heads = f"num_heads={heads} (heads {channels // heads} wide)"
    vocab_sizes = problem_hparams.vocab_size.values()
    return {
        row_length: f"max_length={_round_up(row_length, unit)}",
        **{_round_up(size, hparams.vocab_divisor): f"vocab_divisor={unit}" for size in vocab_sizes},
        hparams.filter_size: f"filter_size={_round_up(hparams.filter_size, unit)}",
        hparams.hidden_size: f"hidden_size={_round_up(hparams.hidden_size, unit)}",
        channels // hparams.num_heads: fix_heads,
    }
