"""What the numbers of a program mean: wasted parts of the matrix unit, and a roofline.

The matrix unit multiplies blocks of `Chip.matrix_unit` (128, on v6e 256) in k and n, and of 8 in m;
smaller blocks take as long as whole ones.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from t2tlite.config import HParams, ProblemHParams
from t2tlite.tpu_check.operations import Collective, Product
from t2tlite.tpu_check.topology import Chip, Topology

# Rows that a register of a TPU has.
SUBLANES = 8
# Waste below this share of all of a step's work isn't worth a line.
WORTH_TELLING = 0.01


def padded_flops(product: Product, chip: Chip) -> int:
    """The operations that a product takes as long as: its dimensions rounded up to blocks."""
    m = _up(product.m, SUBLANES)
    k, n = _up(product.k, chip.matrix_unit), _up(product.n, chip.matrix_unit)
    return 2 * m * k * n * product.copies * product.times


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


@dataclass(frozen=True)
class Waste:
    """Products of one kind that leave a part of the matrix unit idle.

    Attributes:
      layer: the layers, "*" for their numbers.
      size: m x k x n.
      share: of the matrix unit's time in a step.
      filled: share of that time that isn't wasted.
      mend: what to set; "" where no hparam would help.
    """

    layer: str
    size: str
    share: float
    filled: float
    mend: str


def wastes(
    products: Sequence[Product],
    chip: Chip,
    sizes: dict[int, str],
) -> list[Waste]:
    """Returns the products that waste the most, the worst first.

    Args:
      products: of a step.
      chip: has the matrix unit.
      sizes: from `known_sizes`.
    """
    groups: dict[tuple[str, str], list[Product]] = defaultdict(list)
    for product in products:
        layer = re.sub(r"_\d+\b", "_*", product.layer) or "outside of layers"
        groups[layer, f"{product.m} x {product.k} x {product.n}"].append(product)
    everything = sum(padded_flops(product, chip) for product in products)
    found = []
    for (layer, size), group in groups.items():
        taken = sum(padded_flops(product, chip) for product in group)
        filled = sum(product.flops for product in group) / taken
        if (1 - filled) * taken < WORTH_TELLING * everything:
            continue
        wrong = {x for x in (group[0].k, group[0].n) if x % chip.matrix_unit}
        mend = dict.fromkeys(sizes[x] for x in sorted(wrong) if x in sizes)
        found.append(Waste(layer, size, taken / everything, filled, ", ".join(mend)))
    return sorted(found, key=lambda one: (one.filled - 1) * one.share)


def known_sizes(
    hparams: HParams, problem_hparams: ProblemHParams, row_length: int, chip: Chip
) -> dict[int, str]:
    """Returns what to set for each dimension that comes from an hparam.

    Where two hparams give the same dimension, the later of the lines below wins.
    """
    unit = chip.matrix_unit
    found = {row_length: f"max_length={_up(row_length, unit)}"}
    for vocab_size in problem_hparams.vocab_size.values():
        rows = _up(vocab_size, hparams.vocab_divisor)
        found[rows] = f"vocab_divisor={unit}"
    found[hparams.filter_size] = f"filter_size={_up(hparams.filter_size, unit)}"
    found[hparams.hidden_size] = f"hidden_size={_up(hparams.hidden_size, unit)}"
    channels = hparams.attention_key_channels or hparams.hidden_size
    if channels >= unit:
        heads = max(n for n in range(1, channels // unit + 1) if channels % n == 0)
        found[channels // hparams.num_heads] = f"num_heads={heads} (heads {channels // heads} wide)"
    else:
        found[channels // hparams.num_heads] = f"hidden_size={unit} and num_heads=1"
    return found


@dataclass(frozen=True)
class Roofline:
    """The least seconds that a step can take, by what a core must do.

    Attributes:
      matrix: products, at the peak of the matrix unit.
      memory: reading and writing HBM, at its bandwidth.
      links: exchanging with other cores, at the bandwidth of the chip's links.
    """

    matrix: float
    memory: float
    links: float

    @property
    def step(self) -> float:
        """All three at the same time."""
        return max(self.matrix, self.memory, self.links)

    @property
    def limit(self) -> str:
        """What takes longest."""
        names = {"matrix unit": self.matrix, "memory": self.memory, "links": self.links}
        return max(names, key=names.__getitem__)


def roofline(
    products: Sequence[Product],
    hbm_bytes: int,
    collectives: Sequence[Collective],
    topology: Topology,
) -> Roofline:
    """Returns the least time of a step (Williams et al. 2009, "Roofline")."""
    chip = topology.chip
    flops = sum(padded_flops(product, chip) for product in products)
    sent = sum(sent_bytes(one, topology.cores) for one in collectives)
    return Roofline(
        matrix=flops / topology.a_core(chip.peak_flops),
        memory=hbm_bytes / topology.a_core(chip.hbm_bytes_per_second),
        links=sent / topology.a_core(chip.link_bytes_per_second),
    )


def sent_bytes(collective: Collective, cores: int) -> float:
    """Bytes that a core must send in a step, when the exchange is as good as can be.

    An all-reduce is a reduce-scatter and an all-gather; each core passes on every part but its own.
    """
    others = (cores - 1) / cores
    factor = {
        "all-reduce": 2 * others,
        "all-gather": others,
        # Its result is one part of what is exchanged.
        "reduce-scatter": cores * others,
        "all-to-all": others,
        "collective-permute": 1.0,
    }[collective.kind]
    return factor * collective.bytes * collective.times


def next_batch_size(
    tried: dict[int, float | None], step: int, available: float, most: int
) -> int | None:
    """Returns the batch_size to try next in search of the largest that fits, or None at the end.

    Memory grows by the token, so two sizes tell all others, but for what the compiler rounds.

    Args:
      tried: bytes that a batch_size takes; None where it didn't fit.
      step: sizes are multiples of it.
      available: bytes there are.
      most: a batch_size that is large enough; an epoch has no more tokens.
    """
    fits = sorted((size, taken) for size, taken in tried.items() if taken is not None)
    too_big = min((size for size, taken in tried.items() if taken is None), default=None)
    if not fits:
        smallest = min(tried)
        return max(step, smallest // 4 // step * step) if smallest > step else None
    size, taken = fits[-1]
    if len(fits) > 1:
        slope = (taken - fits[-2][1]) / max(1, size - fits[-2][0])
        # A few percent are left for what the compiler rounds up.
        wanted = size + (0.97 * available - taken) / max(slope, 1.0)
    else:
        # As if all of it grew with the batch: never too much.
        wanted = size * min(64.0, 0.97 * available / taken)
    if too_big is not None:
        wanted = min(wanted, (size + too_big) / 2)
    following = math.floor(min(wanted, _up(most, step)) / step) * step
    return following if following > size * 1.02 else None
