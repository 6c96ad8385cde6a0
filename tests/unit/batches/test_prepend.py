"""Examples as one sequence, also packed."""

import numpy as np
import tensorflow as tf
from t2tlite.data.packing import pack

from t2tlite.batches.prepend import join_examples
from t2tlite.config import HParams

EXAMPLES = [([5, 6, 1], [7, 1]), ([8, 1], [9, 4, 1])]


def examples():
    def generate():
        for inputs, targets in EXAMPLES:
            yield {"inputs": np.array(inputs, np.int32), "targets": np.array(targets, np.int32)}

    spec = {name: tf.TensorSpec([None], tf.int32) for name in ("inputs", "targets")}
    return tf.data.Dataset.from_generator(generate, output_signature=spec)


def test_the_separator_is_between_inputs_and_targets():
    found = [
        one["targets"].tolist() for one in join_examples(examples(), HParams()).as_numpy_iterator()
    ]
    assert found == [[5, 6, 1, 0, 7, 1], [8, 1, 0, 9, 4, 1]]
    cut = join_examples(examples(), HParams(max_target_seq_length=4)).as_numpy_iterator()
    assert [one["targets"].tolist() for one in cut] == [[5, 6, 1, 0], [8, 1, 0, 9]]


def test_a_separator_belongs_to_its_segment_of_a_packed_row():
    [row] = pack(join_examples(examples(), HParams()), 13, 1).as_numpy_iterator()
    assert row["targets"].tolist() == [[5, 6, 1, 0, 7, 1, 8, 1, 0, 9, 4, 1, 0]]
    assert row["targets_segmentation"].tolist() == [[1] * 6 + [2] * 6 + [0]]
    assert row["targets_position"].tolist() == [[*range(6), *range(6), 0]]
