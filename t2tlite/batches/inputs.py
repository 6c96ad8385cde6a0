"""Batches of a split: examples put together as a plan says.

Training batch n is a pure function of the data, the batching, the seed and n, on any number of
machines: each plans all batches and makes its own rows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from t2tlite.batches.batching import Batching, Sizes
from t2tlite.batches.examples import Examples
from t2tlite.batches.mixture_plan import MixturePlanner, planner_of
from t2tlite.batches.plan import Plan, Planner
from t2tlite.batches.taught_examples import of_targets
from t2tlite.data.wire import Array, spans


class TrainingBatches:
    """The endless training batches.

    Args:
      examples: of the training split.
      batching: how they become batches.
      seed: of the order.

    Raises:
      DataError: no example is within the length limits.
    """

    def __init__(self, examples: Examples, batching: Batching, seed: int):
        self._examples, self._batching = examples, batching
        self._planner = planner_of(examples, batching, seed)
        self._first_plan, _ = self._planner.at(0)

    @functools.cached_property
    def sizes(self) -> Sizes:
        """Counts of examples and batches."""
        return self._planner.sizes(self._first_plan, self._planner.passes)

    def batch(self, number: int, share: int = 0, shares: int = 1) -> dict[str, Array]:
        """Returns batch `number`, from 0, or one of the equal shares of its rows.

        Returns:
          int32 [rows, width] by feature, 0 where padded; see `make_batch`.
        """
        plan, place = self._planner.at(number)
        return make_batch(self._examples, plan, place, self._batching.kind == "pack", share, shares)

    def shares(self, first: int, stop: int) -> dict[str, float]:
        """Returns `MixturePlanner.shares`; {} unless the problem is a mixture."""
        planner = self._planner
        return planner.shares(first, stop) if isinstance(planner, MixturePlanner) else {}

    @functools.cached_property
    def signature(self) -> dict[str, tuple[tuple[int | None, ...], str]]:
        """Shape and dtype of each feature in all batches; None where the shapes differ."""
        plan, kind = self._first_plan, self._batching.kind
        fixed = {n for n, w in zip(self._examples.names, self._examples.widths, strict=True) if w}
        batch = make_batch(self._examples, plan, 0, kind == "pack")
        rows = len(batch["targets"]) if self._planner.same_rows(plan) else None
        signature = {}
        for name, array in batch.items():
            width = array.shape[1] if kind != "bucket" or name in fixed else None
            signature[name] = (rows, width, *array.shape[2:]), str(array.dtype)
        return signature


def evaluation_batches(
    examples: Examples, batching: Batching, part: Array | None = None
) -> Iterator[dict[str, Array]]:
    """Yields one pass over a split in batches, without a shuffle.

    Args:
      examples: of the split.
      batching: how they become batches.
      part: which of them to take, bool [N]; None: all.

    Returns:
      int32 [rows, width] by feature, 0 where padded.

    Raises:
      DataError: no example is within the length limits.
    """
    planner = Planner(examples.lengths, batching)
    plan = planner.in_order() if part is None else planner.part(part)
    for number in range(len(plan)):
        yield make_batch(examples, plan, number, batching.kind == "pack")


def measure(examples: Examples, batching: Batching) -> Sizes:
    """Returns the counts of one pass over a split.

    Raises:
      DataError: no example is within the length limits.
    """
    planner = Planner(examples.lengths, batching)
    return planner.sizes(planner.in_order())


def make_batch(
    examples: Examples, plan: Plan, number: int, packs: bool, share: int = 0, shares: int = 1
) -> dict[str, Array]:
    """Returns one of the equal shares of a batch's rows.

    Args:
      examples: what the plan is of.
      plan: with the batch.
      number: of the batch in the plan.
      packs: whether rows are packed.
      share, shares: which share, of how many.

    Returns:
      int32 [rows, width] by feature, 0 where padded; numbers are float32. A packed batch has, for
      each feature, `NAME` (ids), `NAME_segmentation` (1, 2, ... within a row) and `NAME_position`
      (from 0 in each segment), as in T2T. `of_targets` are values of the target positions:
      [rows, width, ...].
    """
    total = int(plan.rows[number])
    first, last = total * share // shares, total * (share + 1) // shares
    start, stop = plan.row_starts[number], plan.row_starts[number + 1]
    filled = np.arange(min(start + first, stop), min(start + last, stop))
    # Not np.diff of all rows: a round may have millions.
    counts = plan.member_starts[filled + 1] - plan.member_starts[filled]
    members = plan.members[spans(plan.member_starts[filled], counts)]
    row = np.repeat(np.arange(len(filled)), counts)
    batch: dict[str, Array] = {}
    columns = zip(examples.names, examples.widths, examples.ids(members), strict=True)
    for column, (name, fixed, ids) in enumerate(columns):
        sizes = examples.lengths[members, column].astype(np.int64)
        before = np.cumsum(sizes) - sizes
        # Where an example begins in its row: after those before it in the row.
        firsts_of_rows = np.cumsum(counts) - counts
        offsets = before - np.repeat(before[firsts_of_rows], counts) if len(members) else before
        shape = last - first, fixed or int(plan.widths[number, column])
        places = spans(row * shape[1] + offsets, sizes)
        batch[name] = _scattered(shape, places, ids)
        if packs:
            segments = np.arange(len(members)) - np.repeat(firsts_of_rows, counts) + 1
            positions = spans(np.zeros_like(sizes), sizes)
            batch[f"{name}_segmentation"] = _scattered(shape, places, np.repeat(segments, sizes))
            batch[f"{name}_position"] = _scattered(shape, places, positions)
        for extra, values in of_targets(examples, members) if name == "targets" else ():
            batch[extra] = _scattered(shape, places, values)
    return batch


def _scattered(shape: tuple[int, int], places: Array, values: Array) -> Array:
    dtype = np.float32 if values.dtype.kind == "f" else np.int32
    array = np.zeros((shape[0] * shape[1], *values.shape[1:]), dtype)
    array[places] = values
    return array.reshape(*shape, *values.shape[1:])
