"""Which examples make which batch: pure functions of the lengths, the seed and the round.

Lengths of all examples are known, so each batch can be planned before a record is read. Training
goes in rounds: one pass over the data, or several if the data are small. Every round has equally
many batches, so step n is batch n modulo that number, and resuming costs nothing. Each pass of a
round has its own order of all examples.

Shapes: N examples, F features, M members (an example, or another occurrence of it), R rows.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from t2tlite.batches.batching import Batching, Sizes
from t2tlite.batches.buckets import cut, divide
from t2tlite.batches.packing import pack_rows
from t2tlite.data.wire import Array, spans
from t2tlite.errors import DataError

# Changes whenever the order of the examples does, for the same data, hparams and seed.
ORDER = 1

# About the fewest batches of a round. Small data take several passes, so that few batches are not
# full.
MIN_ROUND_BATCHES = 1_000


@dataclass(frozen=True)
class Plan:
    """The batches of a round.

    Batch b has the rows from `row_starts[b]` to `row_starts[b + 1]`, row r the members from
    `member_starts[r]` to `member_starts[r + 1]`: one example, or several if rows are packed.

    Attributes:
      members: numbers of examples, int64 [M].
      member_starts: int64 [R + 1].
      row_starts: int64 [batches + 1].
      widths: tokens of each feature's rows, padding included: int64 [batches, F].
      rows: rows of each batch, with the rows of padding that fill it up: int64 [batches].
    """

    members: Array
    member_starts: Array
    row_starts: Array
    widths: Array
    rows: Array

    def __len__(self) -> int:
        return len(self.widths)


def shuffled(numbers: Array, seed: int, *key: int) -> Array:
    """Returns the numbers in an order that depends on the seed and the key alone."""
    # Of NumPy's random numbers only these are guaranteed never to change.
    entropy = [abs(seed), int(seed < 0), *key]
    keys = np.random.Philox(np.random.SeedSequence(entropy)).random_raw(len(numbers))
    return numbers[np.argsort(keys, kind="stable")]


class Planner:
    """Plans batches of a split.

    Args:
      lengths: int32 [N, F].
      batching: how examples become batches.
      seed: of the order.

    Attributes:
      kept: numbers of the examples within the length limits, int64.

    Raises:
      DataError: no example is within the length limits, or one doesn't have one label.
    """

    def __init__(self, lengths: Array, batching: Batching, seed: int = 0):
        self.batching, self.seed = batching, seed
        if batching.one_label and (wrong := np.flatnonzero(lengths[:, -1] != 1)).size:
            raise DataError(
                f"sample {wrong[0]} has {lengths[wrong[0], -1]} labels; expected one: correct the "
                f"problem's targets, or its modality if they are a text"
            )
        self._lengths = lengths
        self._longest = lengths.max(axis=1, initial=0)
        is_kept = self._longest >= batching.min_length
        if not batching.unbounded:
            is_kept &= self._longest <= batching.max_length
        self.kept = np.flatnonzero(is_kept)
        if not len(self.kept):
            raise DataError(
                f"no example is between min_length={batching.min_length} and "
                f"max_length={batching.max_length} tokens; they have {self._longest.min()} to "
                f"{self._longest.max()}: change --hparams"
            )
        self._round: tuple[int, Plan] | None = None

    @functools.cached_property
    def passes(self) -> float:
        """Passes over the data in the first round, a whole number."""
        return -(-MIN_ROUND_BATCHES // len(self.in_order()))

    def at(self, batch: int) -> tuple[Plan, int]:
        """Returns the plan of the round that a training batch is in, and its number there."""
        number, place = divmod(batch, self._round_batches)
        return self.round(number), place

    @functools.cached_property
    def _round_batches(self) -> int:
        return len(self.round(0))

    def same_rows(self, plan: Plan) -> bool:
        """Whether all batches have as many rows as each other; `plan` is the first round's."""
        return len(set(plan.rows.tolist())) == 1

    def round(self, number: int) -> Plan:
        """Returns the plan of a training round; that of the last one is kept."""
        if self._round is None or self._round[0] != number:
            self._round = number, self._plan_round(number)
        return self._round[1]

    def _plan_round(self, number: int) -> Plan:
        passes = [shuffled(self._rows, self.seed, number, i) for i in range(int(self.passes))]
        return self._plan(np.concatenate(passes))

    def in_order(self) -> Plan:
        """Returns the plan of one pass without a shuffle, as for an evaluation."""
        return self._plan(self._rows)

    @property
    def _rows(self) -> Array:
        """What is shuffled and divided into batches: examples, or packed rows."""
        is_packed = self.batching.kind == "pack"
        return np.arange(len(self._packed[1]) - 1) if is_packed else self.kept

    def part(self, chosen: Array) -> Plan:
        """Returns the plan of one pass over some examples, bool [N], in order."""
        return self._plan(self.kept[chosen[self.kept]])

    @functools.cached_property
    def _packed(self) -> tuple[Array, Array]:
        """Members and member starts of packed rows, made once: rounds shuffle the rows."""
        order = shuffled(self.kept, self.seed, 2**32 - 1)
        return pack_rows(self._lengths, order, self.batching.row_length)

    def _plan(self, order: Array) -> Plan:
        """Plans rows that come in this order: examples, or packed rows."""
        if self.batching.kind == "bucket":
            return self._bucketed(order)
        if self.batching.kind == "pack":
            members, starts = self._packed
            sizes = np.diff(starts)[order]
            members = members[spans(starts[order], sizes)]
        else:
            members, sizes = order, np.ones(len(order), np.int64)
        width = self.batching.row_length
        row_starts, rows = cut(len(order), self.batching.rows(width))
        if self.batching.static:
            rows = np.full(len(rows), self.batching.rows(width))
        widths = np.full((len(rows), self._lengths.shape[1]), width)
        return Plan(members, np.append(0, np.cumsum(sizes)), row_starts, widths, rows)

    def _bucketed(self, order: Array) -> Plan:
        bounds = np.array(self.bounds)
        rows_of = np.array([self.batching.rows(bound) for bound in self.bounds])
        # A static bucket includes its bound, others don't.
        static = self.batching.static
        places, row_starts, bucket = divide(self._longest[order], bounds, rows_of, inclusive=static)
        members = order[places]
        if static:
            widths = np.repeat(bounds[bucket][:, None], self._lengths.shape[1], axis=1)
            rows = rows_of[bucket]
        else:
            # Of an example without any token at least the padding exists.
            widths = np.maximum(np.maximum.reduceat(self._lengths[members], row_starts[:-1]), 1)
            rows = np.diff(row_starts)
        return Plan(members, np.arange(len(members) + 1), row_starts, widths, rows)

    @functools.cached_property
    def bounds(self) -> list[int]:
        """The bounds of the buckets; the last one holds everything that is longer."""
        bounds = [*self.batching.bounds, self.batching.row_length]
        longest = int(self._longest[self.kept].max())
        while self.batching.unbounded and bounds[-1] < longest:
            bounds.append(bounds[-1] * 2)
        return bounds

    def sizes(self, plan: Plan, passes: float = 1) -> Sizes:
        """Returns the counts of a plan of this split: of one of its passes, and of a batch."""
        lengths = self._lengths[plan.members]
        slots = int((plan.rows[:, None] * plan.widths).sum())
        return Sizes(
            examples=len(self._lengths),
            kept=len(self.kept),
            batches=max(1, round(len(plan) / passes)),
            rows=len(plan.members) / len(plan),
            tokens=float(lengths[:, -1].sum() / len(plan)),
            padded_share=max(0.0, 1.0 - float(lengths.sum()) / slots),
            row_length=int(plan.widths.max()),
        )
