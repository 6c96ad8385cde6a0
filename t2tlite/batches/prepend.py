"""Examples whose inputs and targets are one sequence, for prepend_mode and language models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from t2tlite.batches.examples import Examples
from t2tlite.config import PAD_ID
from t2tlite.data.wire import Array, spans


class JoinedExamples:
    """Examples whose targets are the inputs, a separator, which is padding, and the targets.

    Args:
      examples: with inputs and targets.
      limit: ids of the whole sequence after this many are cut off; 0: none.
      separates: whether there is a separator; without one the EOS of the inputs is left out, too.
    """

    names: Sequence[str] = ["targets"]
    widths: Sequence[int] = [0]

    def __init__(self, examples: Examples, limit: int, separates: bool = True):
        self._examples = examples
        # From the end of the inputs to the targets.
        self._gap = 1 if separates else -1
        self.weights = examples.weights
        whole = examples.lengths.sum(axis=1, keepdims=True, dtype=np.int32) + self._gap
        self.lengths = np.minimum(whole, limit) if limit else whole

    def ids(self, numbers: Array) -> list[Array]:
        """Returns the sequences of these examples, one after the other: int32."""
        inputs, targets = self._examples.ids(numbers)
        sizes = self._examples.lengths[numbers].astype(np.int64)
        whole = sizes.sum(axis=1) + self._gap
        starts = np.cumsum(whole) - whole
        joined = np.full(int(whole.sum()), PAD_ID, np.int32)
        joined[spans(starts, sizes[:, 0])] = inputs
        joined[spans(starts + sizes[:, 0] + self._gap, sizes[:, 1])] = targets
        return [joined[spans(starts, self.lengths[numbers, 0])]]
