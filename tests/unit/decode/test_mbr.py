"""Answers ranked by their likeness to the others."""

import math
from types import SimpleNamespace

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from t2tlite.decode import mbr
from t2tlite.decode.decode_hparams import DecodeHParams, Hypothesis
from t2tlite.errors import HParamsError

TEXTS = [
    *("two men walk down a path .", "two men are walking down the path.", "a man walks"),
    *("", " ", "a", "Zwei Männer, zu Fuß", "zwei zwei zwei zwei zwei"),
]


@pytest.mark.parametrize(
    ("utility", "metric"), [(mbr.chrf, CHRF()), (mbr.bleu, BLEU(effective_order=True))]
)
def test_utilities_are_those_of_sacrebleu(utility, metric):
    found = utility(TEXTS)
    for i, text in enumerate(TEXTS):
        right = [metric.sentence_score(text, [reference]).score for reference in TEXTS]
        assert found[i].tolist() == pytest.approx(right, abs=1e-9)


def test_equal_texts_share_their_probability():
    scores = [math.log(share) - 7 for share in (0.4, 0.3, 0.3)]
    found = mbr.expected_utilities(["a", "b", "b"], scores, "exact")
    assert found == pytest.approx([40, 60, 60])
    assert mbr.expected_utilities([], [], "exact") == []


def test_the_answer_with_most_in_common_wins():
    row = [
        Hypothesis("a dog", math.log(0.42), [4]),
        Hypothesis("two men walk", math.log(0.4), [5]),
        Hypothesis("two men talk", math.log(0.18), [6]),
    ]
    assert mbr.ranked([row], "") == [row]
    [by_chrf, nothing] = mbr.ranked([row, []], "chrf")
    assert by_chrf[0].ids == [5]
    assert len(by_chrf) == 3
    assert nothing == []
    likeness = CHRF().sentence_score("two men walk", ["two men talk"]).score
    dog = CHRF().sentence_score("two men walk", ["a dog"]).score
    assert by_chrf[0].score == pytest.approx(0.4 * 100 + 0.18 * likeness + 0.42 * dog)
    # The most probable one stays first where only itself counts.
    assert [one.ids for one in mbr.ranked([row], "exact")[0]] == [[4], [5], [6]]


@pytest.mark.parametrize("extra", ["beam_size=1", "sampling_method=random"])
def test_there_must_be_beams(extra):
    with pytest.raises(HParamsError, match="mbr=chrf chooses among the answers of a beam search"):
        DecodeHParams().override(f"mbr=chrf,{extra}").check()


def test_a_model_without_beams_of_text():
    decode_hparams = DecodeHParams(mbr="bleu")
    with pytest.raises(HParamsError, match="ranks texts, and this model gives none"):
        mbr.check(SimpleNamespace(generates=False), decode_hparams)
    draws = SimpleNamespace(generates=True, samples=lambda decode_hparams: True)
    with pytest.raises(HParamsError, match="draws its answers; add sampling_method=argmax"):
        mbr.check(draws, decode_hparams)
