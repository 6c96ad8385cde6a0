"""Which split a row belongs to: by a stable hash of its inputs, or by the name in a column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# The splits under T2T's names, by what people call them in columns and data sets.
SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "eval",
    "eval": "eval",
    "val": "eval",
    "valid": "eval",
    "validation": "eval",
    "test": "test",
}


def hash_of(texts: Mapping[str, str]) -> int:
    """Returns a number below 2**64 that depends on the input alone, on every machine."""
    key = texts.get("inputs", texts.get("targets", ""))
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@dataclass(frozen=True)
class Shares:
    """Divides inputs by their hash: those below `test` for testing, below `dev` for evaluation.

    Attributes:
      dev, test: limits of `hash_of`.
    """

    dev: int = 0
    test: int = 0

    @classmethod
    def of(cls, dev: float, test: float) -> Shares:
        """Returns the limits for shares of the different inputs."""
        return cls(int((test + dev) * 2**64) if dev else 0, int(test * 2**64))

    def split_of(self, number: int) -> str:
        """Returns the split of an input's `hash_of`."""
        if number < self.test:
            return "test"
        return "eval" if number < self.dev else "train"


def sorted_labels(labels: Iterable[str]) -> list[str]:
    """Returns labels in order: numbers by value."""
    try:
        return sorted(labels, key=int)
    except ValueError:
        return sorted(labels)
