"""Limits that no request meets are an error."""

import pytest

from t2tlite.errors import ServingError
from t2tlite.serve.limits import Limits


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_batch_size": 0}, "--max_batch_size=0 is less than 1"),
        ({"batch_timeout_ms": -1.0}, "--batch_timeout_ms=-1.0 is less than 0"),
        ({"max_queue": 10}, "--max_instances=256 exceeds --max_queue=10"),
    ],
)
def test_limits_that_no_request_meets(limits, message):
    with pytest.raises(ServingError, match=message):
        Limits(**limits).check()
