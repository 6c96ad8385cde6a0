"""The weight of a sample: how much its loss counts, against 1 of a sample without one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from t2tlite.errors import DataError

# The key in a sample, and the name of the float feature in its record.
WEIGHT = "weight"
# The name as it is in a serialized tf.Example.
WEIGHT_KEY = bytes([0x0A, len(WEIGHT)]) + WEIGHT.encode()


def weight_of(value: Any, where: str) -> float:
    """Returns the weight that a sample has: a number, or a list of one.

    Raises:
      DataError: it isn't a finite number from 0 on; `where` begins the message.
    """
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    try:
        weight = math.nan if isinstance(value, str | bytes | bool) else float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise DataError(
            f"{where}: {WEIGHT!r} is {str(value)[:60]!r}; expected a number from 0 on, such as 0.5"
        )
    return weight


def recorded_weight(values: Sequence[Any] | None) -> float:
    """Returns the weight in a record, 1 without one; other features of that name aren't weights."""
    is_weight = values is not None and len(values) == 1 and isinstance(values[0], float)
    return float(values[0]) if values and is_weight else 1.0
