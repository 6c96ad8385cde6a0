"""Examples as one sequence, also packed."""

import numpy as np

from t2tlite.batches.batching import Batching
from t2tlite.batches.examples import StoredExamples, each_row
from t2tlite.batches.inputs import evaluation_batches
from t2tlite.batches.prepend import JoinedExamples

EXAMPLES = StoredExamples(
    {
        "inputs": np.array([5, 6, 1, 8, 1], np.int32),
        "targets": np.array([7, 1, 9, 4, 1], np.int32),
    },
    {"inputs": np.array([3, 2], np.int32), "targets": np.array([2, 3], np.int32)},
)


def test_the_separator_is_between_inputs_and_targets():
    joined = JoinedExamples(EXAMPLES, limit=0)
    assert [row["targets"] for row in each_row(joined)] == [[5, 6, 1, 0, 7, 1], [8, 1, 0, 9, 4, 1]]
    assert joined.lengths.tolist() == [[6], [6]]
    assert joined.ids(np.array([1, 0]))[0].tolist() == [8, 1, 0, 9, 4, 1, 5, 6, 1, 0, 7, 1]
    cut = JoinedExamples(EXAMPLES, limit=4)
    assert [row["targets"] for row in each_row(cut)] == [[5, 6, 1, 0], [8, 1, 0, 9]]


def test_a_separator_belongs_to_its_segment_of_a_packed_row():
    [row] = evaluation_batches(JoinedExamples(EXAMPLES, 0), Batching("pack", 13, 13))
    first, second = [5, 6, 1, 0, 7, 1], [8, 1, 0, 9, 4, 1]
    assert row["targets"].tolist() in ([[*first, *second, 0]], [[*second, *first, 0]])
    assert row["targets_segmentation"].tolist() == [[1] * 6 + [2] * 6 + [0]]
    assert row["targets_position"].tolist() == [[*range(6), *range(6), 0]]
