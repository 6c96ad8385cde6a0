"""Numbers as text: the encoder of a regression's targets."""

from __future__ import annotations

from collections.abc import Sequence


class RealEncoder:
    """Reads and writes numbers between spaces; there are no ids."""

    def encode(self, s: str) -> list[float]:
        """Returns the numbers in a text."""
        return [float(word) for word in s.split()]

    def decode(self, ids: Sequence[float], strip_extraneous: bool = False) -> str:
        """Returns a text with the numbers, to 7 significant digits: float32 has no more."""
        return " ".join(f"{float(number):.7g}" for number in ids)
