"""Scores of rows, on logits that are small enough to count by hand."""

import numpy as np
import pytest

from t2tlite.model.teacher_forcing import Scorer


def score(logits, targets, modality="symbol"):
    """Returns the scores of rows whose logits are given, float [B, T, V]."""
    scorer = Scorer(lambda features, training: np.array(logits, "float32"), modality, np.asarray)
    return scorer({"targets": np.array(targets, "int32")})


@pytest.mark.parametrize(
    ("target", "correct", "top5"), [(2, 0, 1), (4, 0, 1), (5, 0, 0), (6, 0, 0)]
)
def test_of_equal_logits_the_first_rank_highest(target, correct, top5):
    """tf.nn.top_k, which T2T's accuracy_top5 uses, takes the lower index first."""
    scores = score([[[1.0] * 7]], [[target]])
    assert (scores["correct"][0], scores["top5"][0]) == (correct, top5)


def test_ranks_count_higher_logits_and_padding_does_not_count():
    logits = [[[0.0, 1, 2, 3, 4, 5, 6]] * 3]
    scores = score(logits, [[6, 1, 0]])
    assert (scores["tokens"][0], scores["correct"][0], scores["top5"][0]) == (2, 1, 1)
    # A label 0 counts, and two others rank above it.
    scores = score([[[1.0, 2, 3]]], [[0]], "class_label")
    assert (scores["tokens"][0], scores["correct"][0], scores["top5"][0]) == (1, 0, 1)
