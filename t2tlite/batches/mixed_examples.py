"""Examples of several problems as those of one, and examples that begin with a tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from t2tlite.batches.examples import Examples, joined_weights
from t2tlite.batches.mixing import Mixing
from t2tlite.data.wire import Array, spans
from t2tlite.errors import DataError


class MixedExamples:
    """The examples of all members of a mixture, one member after the other.

    Args:
      parts: examples by member, all with the same features.
      mixing: the shares of the members; None: the examples are only evaluated.

    Attributes:
      parts, mixing: as given.
      firsts: number of the first example of each member, and of all examples: int64 [members + 1].

    Raises:
      DataError: the members have different features.
    """

    def __init__(self, parts: Mapping[str, Examples], mixing: Mixing):
        self.parts, self.mixing = dict(parts), mixing
        (first_name, first), *others = self.parts.items()
        self.names: Sequence[str] = first.names
        self.widths: Sequence[int] = first.widths
        for name, part in others:
            if list(part.names) != list(self.names) or list(part.widths) != list(self.widths):
                raise DataError(
                    f"{name} has the features {', '.join(part.names)}, and {first_name} has "
                    f"{', '.join(self.names)}; mix problems of one kind"
                )
        self.lengths = np.concatenate([part.lengths for part in self.parts.values()])
        sizes = [len(part.lengths) for part in self.parts.values()]
        self.firsts = np.cumsum([0, *sizes])
        self.weights = joined_weights(
            [(part.weights, len(part.lengths)) for part in parts.values()]
        )

    def ids(self, numbers: Array) -> list[Array]:
        """Returns for each feature the ids of these examples, one after the other: int32."""
        owners = np.searchsorted(self.firsts, numbers, side="right") - 1
        sizes = self.lengths[numbers].astype(np.int64)
        begins = np.cumsum(sizes, axis=0) - sizes
        results = [np.empty(int(total), np.int32) for total in sizes.sum(axis=0)]
        for owner, part in enumerate(self.parts.values()):
            rows = np.flatnonzero(owners == owner)
            if not len(rows):
                continue
            for column, ids in enumerate(part.ids(numbers[rows] - self.firsts[owner])):
                results[column][spans(begins[rows, column], sizes[rows, column])] = ids
        return results

    def members_of(self, numbers: Array) -> Array:
        """Returns how many of these examples each member has: int64 [members]."""
        owners = np.searchsorted(self.firsts, numbers, side="right") - 1
        return np.bincount(owners, minlength=len(self.parts))


def members_of(examples: Examples) -> dict[str, Examples]:
    """Returns the examples of each member of a mixture; of other examples all, by the name ""."""
    return examples.parts if isinstance(examples, MixedExamples) else {"": examples}


class WeightedExamples:
    """Examples whose loss counts otherwise.

    Args:
      examples: with weights of their own, or without.
      factor: of all weights.
    """

    def __init__(self, examples: Examples, factor: float):
        self.names, self.widths, self.lengths = examples.names, examples.widths, examples.lengths
        own = joined_weights([(examples.weights, len(examples.lengths))])
        ones = np.ones(len(examples.lengths), np.float32)
        self.weights: Array | None = (ones if own is None else own) * np.float32(factor)
        self.ids = examples.ids


class TaggedExamples:
    """Examples of which features begin with the same ids.

    Args:
      examples: without them.
      tags: the ids by feature.
    """

    def __init__(self, examples: Examples, tags: Mapping[str, Sequence[int]]):
        self._examples = examples
        self.names, self.widths, self.weights = examples.names, examples.widths, examples.weights
        self._tags = [np.array(tags.get(name, ()), np.int32) for name in self.names]
        added = np.array([len(tag) for tag in self._tags], np.int32)
        self.lengths = examples.lengths + added

    def ids(self, numbers: Array) -> list[Array]:
        """Returns for each feature the ids of these examples, one after the other: int32."""
        results = []
        for column, ids in enumerate(self._examples.ids(numbers)):
            tag = self._tags[column]
            sizes = self.lengths[numbers, column].astype(np.int64)
            starts = np.cumsum(sizes) - sizes
            tagged = np.empty(int(sizes.sum()), np.int32)
            heads = np.full(len(numbers), len(tag))
            tagged[spans(starts, heads)] = np.tile(tag, len(numbers))
            tagged[spans(starts + len(tag), sizes - len(tag))] = ids
            results.append(tagged)
        return results
