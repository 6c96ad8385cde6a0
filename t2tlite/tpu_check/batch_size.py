"""Searches for the largest batch_size that fits into a core's memory, by compiling training."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping

from t2tlite.tpu_check import steps
from t2tlite.tpu_check.program import Check, DoesNotFit, compile_step

log = logging.getLogger(__name__)

MAX_TRIALS = 3  # compilations of a search, besides the first
TARGET = 0.97  # share of the memory to aim at; the compiler rounds sizes up


def search(check: Check) -> None:
    """Compiles training with other batch sizes and adds the results to `check.batch_sizes`."""
    setup, training, sizes = check.setup, check.programs.get("training"), check.batch_sizes
    step = training.step if training else steps.training(setup)
    sizes[setup.hparams.batch_size] = training.memory if training else None
    available = check.topology.core_memory
    for _ in range(MAX_TRIALS):
        size = next_batch_size(sizes, step.shape[1], available, check.epoch_tokens)
        if size is None:
            return
        log.info("compiling training with batch_size=%s ...", f"{size:,}")
        sizes[size] = None
        with contextlib.suppress(DoesNotFit):
            sizes[size] = compile_step(steps.resized(step, setup, size), check.topology).memory


def next_batch_size(
    tried: Mapping[int, float | None], step: int, available: float, limit: int
) -> int | None:
    """Returns the batch_size to try next, or None when the search is done.

    Memory is close to linear in the batch size, so two sizes predict the others.

    Args:
      tried: bytes that a batch_size takes; None where it doesn't fit.
      step: sizes are multiples of it, in tokens.
      available: bytes of a core's memory.
      limit: the largest useful batch_size: the tokens of an epoch.
    """
    fitting = sorted((size, memory) for size, memory in tried.items() if memory is not None)
    too_large = min((size for size, memory in tried.items() if memory is None), default=None)
    if not fitting:
        smallest = min(tried)
        return max(step, smallest // 4 // step * step) if smallest > step else None
    size, memory = fitting[-1]
    if len(fitting) > 1:
        slope = (memory - fitting[-2][1]) / max(1, size - fitting[-2][0])
        estimate = size + (TARGET * available - memory) / max(slope, 1.0)
    else:
        # As if all memory grew with the batch: never too large.
        estimate = size * min(64.0, TARGET * available / memory)
    if too_large is not None:
        estimate = min(estimate, (size + too_large) / 2)
    following = int(min(estimate, -(-limit // step) * step)) // step * step
    return following if following > size * 1.02 else None
