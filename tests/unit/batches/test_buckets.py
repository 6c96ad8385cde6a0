"""Batches of like lengths."""

import numpy as np
import pytest

from t2tlite.batches.buckets import cut, divide


def test_cut():
    assert [a.tolist() for a in cut(7, 3)] == [[0, 3, 6, 7], [3, 3, 1]]
    assert [a.tolist() for a in cut(0, 3)] == [[0], []]


@pytest.mark.parametrize(
    ("inclusive", "expected"),
    [
        # Lengths 4 and 5 are in the first bucket, or 5 in the second.
        (True, {0: [[0, 2], [4]], 1: [[1, 3]]}),
        (False, {0: [[0]], 1: [[1, 2], [3, 4]]}),
    ],
)
def test_buckets(inclusive, expected):
    lengths = np.array([4, 9, 5, 30, 5])
    result = divide(lengths, np.array([5, 10]), np.array([2, 2]), inclusive=inclusive)
    places, starts, buckets = (array.tolist() for array in result)
    found = {}
    for number, bucket in enumerate(buckets):
        found.setdefault(bucket, []).append(places[starts[number] : starts[number + 1]])
    assert found == expected


def test_none():
    empty = np.array([], int)
    result = divide(empty, np.array([5]), np.array([2]), inclusive=True)
    assert [array.tolist() for array in result] == [[], [0], []]
