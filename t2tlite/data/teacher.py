"""What a teacher says of each target token, as two features of a record.

`teacher_ids` has the K likeliest tokens of each target position, the likeliest first, one position
after the other; `teacher_costs` has minus their log-probabilities, in units of 1/1024 nat. Whole
numbers keep the records as small as a float16 would, with an error of 0.05 % of a probability
whatever its size, and are read as ids are.
"""

from __future__ import annotations

import numpy as np

from t2tlite.data.wire import Array

TEACHER_IDS, TEACHER_COSTS = "teacher_ids", "teacher_costs"
COSTS_PER_NAT = 1024
# Smaller probabilities are 0 in float32.
_HIGHEST = 100 * COSTS_PER_NAT


def costs_of(log_probs: Array) -> Array:
    """Returns log-probabilities as they are recorded: int32, from 0 on."""
    costs = np.rint(np.asarray(log_probs, np.float64) * -COSTS_PER_NAT)
    return np.clip(costs, 0, _HIGHEST).astype(np.int32)
