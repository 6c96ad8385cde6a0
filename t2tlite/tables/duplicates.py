"""Duplicates among any number of samples, by 64-bit hashes in sorted arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A pair of different samples has the same hash by chance in 1 of 2**64 cases.
Hashes = NDArray[np.uint64]


class Seen:
    """Hashes that came before, 8 bytes each, and as much again while arrays are merged.

    Sorted arrays, each less than half as long as the one before it.
    """

    def __init__(self) -> None:
        self._sorted: list[Hashes] = []

    def add(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Adds hashes, and returns for each whether it came for the first time."""
        is_new = np.zeros(len(hashes), bool)
        found, first = np.unique(hashes, return_index=True)
        unknown = np.ones(len(found), bool)
        for known in self._sorted:
            place = np.minimum(np.searchsorted(known, found), len(known) - 1)
            unknown &= known[place] != found
        is_new[first[unknown]] = True
        self._sorted.append(found[unknown])
        while len(self._sorted) > 1 and 2 * len(self._sorted[-1]) >= len(self._sorted[-2]):
            merged = np.concatenate([self._sorted.pop(), self._sorted.pop()])
            merged.sort()
            self._sorted.append(merged)
        self._sorted = [known for known in self._sorted if len(known)]
        return is_new
