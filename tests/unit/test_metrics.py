"""T2T's metrics on ids small enough to count by hand."""

import math
import random
from collections import Counter

import pytest

from t2tlite.metrics import (
    KNOWN,
    Metrics,
    Scores,
    approx_bleu,
    edit_distance,
    edits,
    has_direction,
    is_decoded,
    lower_is_better,
    pearson,
    raw_metric,
    rouge_l_f,
    rouge_n_f,
    text_units,
)
from t2tlite.text import ByteTextEncoder


def test_sums_become_means():
    scores = Scores(loss=6.0, tokens=4.0, correct=3.0, top5=4.0, sequences=2, whole=1)
    names = [Metrics.ACC, Metrics.ACC_TOP5, Metrics.ACC_PER_SEQ, Metrics.NEG_LOG_PERPLEXITY]
    assert scores.result(names) == {
        "loss": 1.5,
        "accuracy": 0.75,
        "accuracy_top5": 1.0,
        "accuracy_per_sequence": 0.5,
        "neg_log_perplexity": -1.5,
    }
    assert scores.result([]) == {"loss": 1.5}


def test_every_known_metric_can_be_had():
    pairs = [([2, 3, 4, 5, 1], [2, 3, 4, 5, 1])]
    scores = Scores(pairs=pairs, tokens=5, sequences=1, words=2, bytes=5)
    made = scores.result(sorted(KNOWN))
    assert set(made) == {*KNOWN, "loss"}
    for name in (Metrics.APPROX_BLEU, Metrics.ROUGE_2_F, Metrics.ROUGE_L_F):
        assert made[name] == pytest.approx(1.0, abs=1e-6)


def test_nothing_counts_as_zero():
    found = Scores().result(sorted(KNOWN))
    # e ** 0
    assert found.pop("word_perplexity") == found.pop("byte_perplexity") == 1.0
    assert set(found.values()) == {0.0}


def test_words_and_bytes_share_the_loss_of_all_tokens():
    scores = Scores(loss=12.0, tokens=7, words=3, bytes=16)
    found = scores.result([Metrics.WORD_PERPLEXITY, Metrics.BYTE_PERPLEXITY])
    assert found["word_perplexity"] == pytest.approx(math.exp(4))
    assert found["byte_perplexity"] == pytest.approx(math.exp(0.75))
    # No error where training went wrong.
    assert Scores(loss=1e6, words=1).result([Metrics.WORD_PERPLEXITY])["word_perplexity"] > 1e300


def test_the_end_of_a_text_is_a_word_and_a_byte():
    encoder = ByteTextEncoder()

    def ids(text):
        return encoder.encode(text)

    assert text_units([*ids("zwei Wörter"), 1, 0, 0], encoder) == (3, 13)
    # Two texts in a row, and one that was cut.
    assert text_units([*ids("a b"), 1, *ids("c"), 1], encoder) == (5, 6)
    assert text_units(ids("a b"), encoder) == (2, 3)
    assert text_units([1, 0], encoder) == (1, 1)


@pytest.mark.parametrize(
    ("predicted", "true", "f"),
    [
        ([1, 2, 3, 4], [1, 2, 3, 4], 1.0),
        ([1, 2, 9, 4], [1, 2, 3, 4], 1 / 3),
        ([1, 2, 1, 2], [1, 2], 2 * 0.5 * 1 / 1.5),  # {12, 21} against {12}
        ([1], [1, 2], 0.0),
        ([5, 6], [7, 8], 0.0),
    ],
)
def test_rouge_2(predicted, true, f):
    assert rouge_n_f(predicted, true) == pytest.approx(f, abs=1e-6)


@pytest.mark.parametrize(
    ("predicted", "true", "precision", "recall"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0, 1.0),
        ([1, 3, 2, 4], [1, 2, 3, 4, 5], 3 / 4, 3 / 5),
        ([4, 3, 2, 1], [1, 2, 3, 4], 1 / 4, 1 / 4),
        ([1, 1, 1], [1], 1 / 3, 1.0),
    ],
)
def test_rouge_l(predicted, true, precision, recall):
    beta = precision / recall
    expected = (1 + beta**2) * recall * precision / (recall + beta**2 * precision)
    assert rouge_l_f(predicted, true) == pytest.approx(expected, abs=1e-6)


def test_rouge_l_of_nothing():
    assert rouge_l_f([], [1]) == rouge_l_f([1], []) == rouge_l_f([1], [2]) == 0.0


RIGHT = [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("pairs", "bleu"),
    [
        ([(RIGHT, RIGHT)], 1.0),
        ([], 0.0),
        # Precisions 6/6, 5/5, 4/4, 3/3, and exp(1 - 8/6) for being short.
        ([(RIGHT, [*RIGHT, 8, 9])], math.exp(1 - 8 / 6)),
        # Nothing is subtracted for being long: precisions 6/8, 5/7, 4/6, 3/5.
        ([([*RIGHT, 8, 9], RIGHT)], (6 / 8 * 5 / 7 * 4 / 6 * 3 / 5) ** 0.25),
        # Over the whole corpus, not sentence by sentence: 6/12, 5/10, 4/8, 3/6.
        ([(RIGHT, RIGHT), ([8, 9, 8, 9, 8, 9], RIGHT)], 0.5),
        # A repeated token matches as often as it is in the true ids. Precisions 2/4, 1/3, and
        # without a match 1/(2*2) and 1/(4*1).
        ([([5, 5, 5, 5], [5, 5, 6, 7])], (2 / 4 * 1 / 3 * 1 / 4 * 1 / 4) ** 0.25),
        # No match at all: 1/(2*4), 1/(4*3), 1/(8*2), 1/(16*1).
        ([([1, 2, 3, 4], [5, 6, 7, 8])], (1 / 8 * 1 / 12 * 1 / 16 * 1 / 16) ** 0.25),
        # A short prediction has no trigram: 2/2, 1/1, and those that don't exist count as 1.
        ([([1, 2], [1, 2])], 1.0),
        ([([1, 2], [1, 3])], (1 / 2 * 1 / 2) ** 0.25),
        # The true ids shifted by one: 3/4, 2/3, 1/2, 1/(2*1), though no position is right.
        ([([9, 2, 3, 4], [2, 3, 4, 1])], (3 / 4 * 2 / 3 * 1 / 2 * 1 / 2) ** 0.25),
    ],
)
def test_bleu(pairs, bleu):
    assert approx_bleu(pairs) == pytest.approx(bleu, rel=1e-9)


def test_metrics_of_numbers():
    pairs = [([1.0], [2.0]), ([2.0], [4.0]), ([3.0], [5.0])]
    result = Scores(loss=9.0, tokens=3, pairs=pairs).result([Metrics.RMSE, Metrics.PEARSON])
    assert result["loss"] == 3.0
    assert result["rmse"] == pytest.approx(math.sqrt(3.0))
    # Covariance 3 / 3, standard deviations sqrt(2 / 3) and sqrt(14 / 9).
    assert result["pearson"] == pytest.approx(1 / math.sqrt(2 / 3 * 14 / 9))
    # Without variation there is no correlation.
    assert pearson([([1.0], [2.0]), ([1.0], [4.0])]) == pearson([]) == 0.0
    assert lower_is_better("rmse") and not lower_is_better("pearson")


@pytest.mark.parametrize(
    ("answer", "right", "changes"),
    [
        ("kitten", "sitting", [("s", "k"), ("i", "e"), ("g", None)]),
        ("abab", "ab", [(None, "a"), (None, "b")]),
        ("", "ab", [("a", None), ("b", None)]),
        ("same", "same", []),
        ("", "", []),
        ("xabc", "abcy", [(None, "x"), ("y", None)]),
    ],
)
def test_the_fewest_edits(answer, right, changes):
    assert edits(answer, right) == changes
    assert len(edits(right, answer)) == len(changes)


def test_edits_turn_one_sequence_into_the_other():
    draw = random.Random(0)
    for _ in range(200):
        answer, right = ([draw.choice("abc") for _ in range(draw.randrange(8))] for _ in range(2))
        changes = edits(answer, right)
        wanted, given = (Counter(pair[side] for pair in changes) for side in (0, 1))
        del wanted[None], given[None]
        assert Counter(right) - wanted == Counter(answer) - given
        assert abs(len(answer) - len(right)) <= len(changes) <= max(len(answer), len(right))


def test_the_edit_distance_is_the_number_of_edits():
    draw = random.Random(0)
    for _ in range(500):
        pair = [[draw.choice("abc") for _ in range(draw.randrange(9))] for _ in range(2)]
        assert edit_distance(*pair) == len(edits(*pair))
    # More symbols than a machine word has bits.
    assert edit_distance("ab" * 100, "ba" * 100) == 2
    assert edit_distance("x" * 150, "y" * 130) == 150


@pytest.mark.parametrize(
    "name",
    [
        "character_error_rate",
        raw_metric("token_error_rate"),
        raw_metric("a:token_error_rate"),
        "a:loss",
        "bleu",
    ],
)
def test_the_direction_of_decoded_metrics(name):
    assert has_direction(name)
    assert is_decoded(name) == ("loss" not in name)
    assert lower_is_better(name) == (name != "bleu")
    assert not has_direction("a_plugins_own")
