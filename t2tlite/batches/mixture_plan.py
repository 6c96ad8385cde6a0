"""Which examples of a mixture's members make which batch.

Every member has its own endless order: pass after pass over its examples, each in another order. A
round of about 1,000 batches takes the next ones of each member, as many as its share says, and
mixes them within the batches. How many of each come before a round follows from the shares alone,
so that a training goes on at any step without looking at those before it.

Shapes: M members, I items (examples, or rows of packed ones).
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from t2tlite.batches.batching import Batching
from t2tlite.batches.examples import Examples
from t2tlite.batches.mixed_examples import MixedExamples
from t2tlite.batches.packing import pack_rows
from t2tlite.batches.plan import MIN_ROUND_BATCHES, Plan, Planner, shuffled
from t2tlite.data.wire import Array
from t2tlite.errors import DataError

# Batches of a round at most, and of one in which the shares change.
_ROUND = MIN_ROUND_BATCHES
# Of Philox: a key of its own for the orders of the members.
_ORDER, _PACKING = 2**32 - 2, 2**32 - 1
# Of a round, at which shares that change are computed.
_TIMES = 64


@dataclass(frozen=True)
class _Rounds:
    """Equal rounds after each other.

    Attributes:
      first: number of the first batch.
      batches: of each round.
      before: items of each member that earlier rounds take, float64 [M].
      taken: items of each member that each round takes, float64 [M]; rounds take whole ones.
      begin, end: the members' shares of the examples at the beginning and the end of a round,
        float64 [M].
    """

    first: int
    batches: int
    before: Array
    taken: Array
    begin: Array
    end: Array

    def places(self, number: int) -> Array:
        """Returns where round `number` begins in the order of each member: int64 [M]."""
        places: Array = np.floor(self.before + number * self.taken + 0.5).astype(np.int64)
        return places


class MixturePlanner(Planner):
    """Plans the batches of a mixture.

    Args:
      examples: of the members, with their shares.
      batching, seed: as of `Planner`.

    Raises:
      DataError: no example of a member is within the length limits.
    """

    def __init__(self, examples: MixedExamples, batching: Batching, seed: int):
        super().__init__(examples.lengths, batching, seed)
        self._examples, self._mixing = examples, examples.mixing
        edges = np.searchsorted(self.kept, examples.firsts)
        self._kept_of = [self.kept[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True)]
        used = np.array(self._mixing.shares).max(axis=0) > 0
        for name, kept, is_used in zip(examples.parts, self._kept_of, used, strict=True):
            if is_used and not len(kept):
                raise DataError(
                    f"{name}: no example is between min_length={batching.min_length} and "
                    f"max_length={batching.max_length} tokens; change --hparams"
                )
        self._passes: dict[int, tuple[int, Array]] = {}
        self._planned: tuple[tuple[int, int], Plan] | None = None

    @functools.cached_property
    def passes(self) -> float:
        """Passes over as many examples as there are, in the first round."""
        return len(self.at(0)[0].members) / len(self.kept)

    def at(self, batch: int) -> tuple[Plan, int]:
        """Returns the plan of the round that a training batch is in, and its number there."""
        rounds = self._rounds[bisect.bisect_right(self._firsts, batch) - 1]
        number, place = divmod(batch - rounds.first, rounds.batches)
        key = rounds.first, number
        planned = self._planned
        if planned is None or planned[0] != key:
            self._planned = planned = key, self._plan_mixed(rounds, number)
        return planned[1], place

    def same_rows(self, plan: Plan) -> bool:
        """Whether all batches have as many rows: other rounds may have other last batches."""
        return self.batching.kind != "bucket" and self.batching.static

    def shares(self, first: int, stop: int) -> dict[str, float]:
        """Returns the share of the examples that each member has in some batches, by its name.

        Args:
          first, stop: the batches are those from `first` to before `stop`.
        """
        counts = np.zeros(len(self._kept_of), np.int64)
        while first < stop:
            plan, place = self.at(first)
            last = min(len(plan), place + stop - first)
            ends = plan.member_starts[plan.row_starts[[place, last]]]
            counts += self._examples.members_of(plan.members[slice(*ends)])
            first += last - place
        total = max(int(counts.sum()), 1)
        return dict(zip(self._examples.parts, (counts / total).tolist(), strict=True))

    # What the members consist of.

    @functools.cached_property
    def _packed(self) -> tuple[Array, Array]:
        """Members and member starts of packed rows, of one mixture's member after the other."""
        members, starts = [], [np.zeros(1, np.int64)]
        for number, kept in enumerate(self._kept_of):
            order = shuffled(kept, self.seed, _PACKING, number)
            packed, begins = pack_rows(self._lengths, order, self.batching.row_length)
            members.append(packed)
            starts.append(begins[1:] + starts[-1][-1])
        return np.concatenate(members), np.concatenate(starts)

    @functools.cached_property
    def _items(self) -> list[Array]:
        """The items of each member."""
        if self.batching.kind != "pack":
            return self._kept_of
        ends = np.cumsum([0, *map(len, self._kept_of)])
        edges = np.searchsorted(self._packed[1], ends)
        return [np.arange(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]

    @functools.cached_property
    def _batches_per_item(self) -> Array:
        """Which part of a batch an item of each member fills: float64 [M]."""
        if self.batching.kind != "bucket":
            return np.full(len(self._items), 1.0 / self.batching.rows(self.batching.row_length))
        bounds = np.array(self.bounds)
        filled = 1.0 / np.array([self.batching.rows(bound) for bound in self.bounds])
        if self.batching.static:
            bucket = np.searchsorted(bounds, self._longest, side="left")
        else:
            bucket = np.searchsorted(bounds, self._longest, side="right")
        each = filled[np.minimum(bucket, len(bounds) - 1)]
        return np.array([each[kept].mean() if len(kept) else 1.0 for kept in self._kept_of])

    # The rounds.

    @functools.cached_property
    def _firsts(self) -> list[int]:
        return [rounds.first for rounds in self._rounds]

    @functools.cached_property
    def _rounds(self) -> list[_Rounds]:
        """All rounds, in the order of their batches."""
        made: list[_Rounds] = []
        before = np.zeros(len(self._items))
        for first, stop, begin, end in self._stretches():
            while first < stop:
                left = stop - first
                batches = int(min(left, _ROUND))
                rounds = self._equal_rounds(first, batches, begin, end, before)
                made.append(rounds)
                if stop == np.inf:
                    return made
                # As many of them as there is room for; shares that change come once.
                count = int(left // batches)
                before = before + count * rounds.taken
                first += count * batches
        raise AssertionError("the last stretch is endless")

    def _stretches(self) -> Iterator[tuple[int, float, Array, Array]]:
        """Yields from which batch to which other the shares change from what to what."""
        mixing = self._mixing
        shares = [np.array(row) for row in mixing.shares]
        steps = self._steps_in_batches(shares)
        if len(steps) == 1 or steps[0] > 0:
            yield 0, steps[0] if len(steps) > 1 else np.inf, shares[0], shares[0]
        if len(steps) == 1:
            return
        for i, (first, stop) in enumerate(zip(steps[:-1], steps[1:], strict=True)):
            if mixing.interpolation == "step":
                yield first, stop, shares[i], shares[i]
                continue
            parts = -(-(stop - first) // _ROUND)
            for part in range(parts):
                a, b = (first + (stop - first) * n // parts for n in (part, part + 1))
                at = ((one - first) / (stop - first) for one in (a, b))
                begin, end = (shares[i] + x * (shares[i + 1] - shares[i]) for x in at)
                yield a, b, begin, end
        yield steps[-1], np.inf, shares[-1], shares[-1]

    def _items_per_batch(self, shares: Array) -> Array:
        """Returns how many items of each member a full batch has: float64 [..., M].

        Args:
          shares: of the examples, float64 [..., M].
        """
        sizes = np.array([len(kept) for kept in self._kept_of])
        items = np.array([len(one) for one in self._items])
        weights = shares * np.where(sizes > 0, items / np.maximum(sizes, 1), 0.0)
        items_per_batch: Array = weights / (weights @ self._batches_per_item)[..., None]
        return items_per_batch

    def _steps_in_batches(self, shares: list[Array]) -> list[int]:
        """Returns the steps of the points, also of those that are numbers of examples."""
        mixing = self._mixing
        if not mixing.counts_examples:
            return list(mixing.steps)
        items = np.array([len(one) for one in self._items])
        sizes = np.maximum([len(kept) for kept in self._kept_of], 1)
        each = [float(row @ (self._batches_per_item * items / sizes)) for row in shares]
        batches, steps = 0.0, [0] if mixing.steps[0] == 0 else []
        counted = 0
        for number, examples in enumerate(mixing.steps):
            before = each[max(number - 1, 0)]
            now = before if mixing.interpolation == "step" else each[number]
            batches += (examples - counted) * (before + now) / 2
            counted = examples
            if examples:
                steps.append(max(round(batches), (steps[-1] if steps else 0) + 1))
        return steps

    def _equal_rounds(
        self, first: int, batches: int, begin: Array, end: Array, before: Array
    ) -> _Rounds:
        # Buckets that aren't full need more batches: room for one of each.
        spare = 0.5
        if self.batching.kind == "bucket":
            spare = min(len(self.bounds), batches / 2)
        taken = max(batches - spare, 0.5) * self._density(begin, end).mean(axis=0)
        return _Rounds(first, batches, before, taken, begin, end)

    def _density(self, begin: Array, end: Array) -> Array:
        """Returns the items of each member in a batch in the course of a round: float64 [_, M]."""
        if np.array_equal(begin, end):
            return self._items_per_batch(begin)[None]
        times = ((np.arange(_TIMES) + 0.5) / _TIMES)[:, None]
        return self._items_per_batch(begin + times * (end - begin))

    def _plan_mixed(self, rounds: _Rounds, number: int) -> Plan:
        """Returns the plan of a round, with exactly as many batches as it must have."""
        places, ends = rounds.places(number), rounds.places(number + 1)
        density = self._density(rounds.begin, rounds.end)
        items, times = [], []
        for member, (place, end) in enumerate(zip(places.tolist(), ends.tolist(), strict=True)):
            items.append(self._next(member, place, end - place))
            times.append(_times(density[:, member], end - place))
        order = np.concatenate(items)[np.argsort(np.concatenate(times), kind="stable")]
        if not len(order):
            # A round of very few batches.
            order = self._next(int(np.argmax(rounds.end)), 0, 1)
        return _with_batches(self._plan(order), rounds.batches, self.batching.static)

    def _next(self, member: int, place: int, count: int) -> Array:
        """Returns `count` items of a member from a place in its endless order on."""
        items = self._items[member]
        parts = []
        while count > 0:
            number, start = divmod(place, len(items))
            found = self._passes.get(member)
            if found is None or found[0] != number:
                found = number, shuffled(items, self.seed, _ORDER, member, number)
                self._passes[member] = found
            part = found[1][start : start + count]
            parts.append(part)
            place, count = place + len(part), count - len(part)
        return np.concatenate(parts) if parts else items[:0]


def planner_of(examples: Examples, batching: Batching, seed: int) -> Planner:
    """Returns the planner of training examples, which may be those of a mixture.

    Raises:
      DataError: no example is within the length limits.
    """
    if isinstance(examples, MixedExamples):
        return MixturePlanner(examples, batching, seed)
    return Planner(examples.lengths, batching, seed)


def _times(density: Array, count: int) -> Array:
    """Returns when in a round, from 0 to 1, a member's items come: float64 [count].

    Args:
      density: how many there are at equally many times of the round, so that every part of it has
        its shares.
      count: number of items.
    """
    reached = (np.arange(count) + 0.5) / max(count, 1)
    if len(density) == 1:
        return reached
    sums = np.append(0.0, np.cumsum(density))
    return np.interp(reached, sums / max(sums[-1], 1e-300), np.linspace(0.0, 1.0, len(sums)))


def _with_batches(plan: Plan, batches: int, static: bool) -> Plan:
    """Returns a plan with exactly `batches` batches: the largest ones are halved.

    If there are too many, which takes a round of very few, the last ones are left out.
    """
    if len(plan) > batches:
        return replace(
            plan,
            row_starts=plan.row_starts[: batches + 1],
            widths=plan.widths[:batches],
            rows=plan.rows[:batches],
        )
    while len(plan) < batches:
        sizes = np.diff(plan.row_starts)
        largest = np.argsort(-sizes, kind="stable")[: batches - len(plan)]
        copies = np.ones(len(plan), np.int64)
        copies[largest] = 2
        row_starts = np.repeat(plan.row_starts[:-1], copies)
        seconds = np.cumsum(copies)[largest] - 1
        row_starts[seconds] += (sizes[largest] + 1) // 2
        row_starts = np.append(row_starts, plan.row_starts[-1])
        rows = np.repeat(plan.rows, copies) if static else np.diff(row_starts)
        widths = np.repeat(plan.widths, copies, axis=0)
        plan = replace(plan, row_starts=row_starts, widths=widths, rows=rows)
    return plan
