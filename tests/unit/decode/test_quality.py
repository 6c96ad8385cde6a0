"""BLEU, chrF, exact match and error rates of answers."""

import pytest

from t2tlite.decode.quality import compare
from t2tlite.metrics import OF_DECODING


def rates(answers, *references):
    quality = compare(answers, references)
    return quality.sequence_error_rate, quality.token_error_rate, quality.character_error_rate


def test_letters_to_phonemes_where_a_word_has_several_pronunciations():
    answers = ["T AH M EY T OW", "K AE T S", "D AO G"]
    first = ["T AH M AA T OW", "K AE T", "D AO G"]
    second = ["T AH M EY T OW", "K AE T", "D AA G"]
    # One answer of three is wrong, by one phoneme, of 6 + 3 + 3 that the closest references have.
    sequence, token, _ = rates(answers, first, second)
    assert sequence == pytest.approx(100 / 3)
    assert token == pytest.approx(100 / 12)
    # Of the first references alone, two are wrong.
    sequence, token, _ = rates(answers, first)
    assert (sequence, token) == pytest.approx((200 / 3, 200 / 12))


def test_speech_and_symbols_without_spaces():
    # Of 6 + 3 words one is missing, one is too many, and one is another.
    answers, right = ["the cat sat on mat", "a a dig ran"], ["the cat sat on the mat", "a dog ran"]
    assert rates(answers, right)[1] == pytest.approx(300 / 9)
    assert rates(["kitten"], ["sitting"]) == pytest.approx((100, 100, 300 / 7))


def test_blank_lines_and_more_than_all_wrong():
    assert rates(["", "a"], ["", "a"]) == (0, 0, 0)
    assert rates(["", "a"], ["b c", "a"]) == pytest.approx((50, 200 / 3, 75))
    assert rates(["x y z"], ["a"])[1] == 300
    # Of two references at the same distance, the rate of the longer one is lower.
    assert rates(["a b"], ["a"], ["a b c"])[1] == pytest.approx(100 / 3)


def test_each_metric_has_a_name():
    quality = compare(["the cat sat on the mat"], [["the cat sat on the mat"]])
    assert list(quality.metrics) == list(OF_DECODING)
    assert list(quality.metrics.values()) == pytest.approx([100, 100, 100, 0, 0, 0])
