"""A teacher's log-probabilities as whole numbers."""

import numpy as np

from t2tlite.data.teacher import costs_of


def test_costs_keep_probabilities():
    log_probs = np.log(np.array([1.0, 0.5, 1e-3, 1e-12], "float32"))
    costs = costs_of(log_probs)
    assert costs.dtype == np.int32 and costs[0] == 0
    np.testing.assert_allclose(np.exp(-costs / 1024), np.exp(log_probs), rtol=5e-4)
    assert costs_of(np.array([-1e9, 1e-7])).tolist() == [102_400, 0]
