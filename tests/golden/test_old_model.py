"""A model folder written by version 0.1.0 must decode the same text for ever."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "model"
LINES = ["3 1 4", "2 7 1 8 2 8", "", "9"]
GREEDY = [("4 1 3", -0.79527), ("8 2 8 1 7 2", -1.55351), ("", 0.0), ("9", -0.13503)]
BEAMS = [
    [("4 1 3", -0.62353), ("4 1 3 4", -1.77847), ("4 4 1 3", -2.39558), ("4 1 3 3", -2.51156)],
    [
        ("8 2 8 1 7 2", -1.02493),
        ("8 2 1 8 7 2", -2.35048),
        ("8 2 8 1 7 2 2", -2.35924),
        ("8 2 2 8 1 7", -2.41852),
    ],
    [("", 0.0)],
    [("9", -0.1231), ("9 3", -3.29321), ("9 2", -3.6957), ("9 9", -4.12564)],
]


def new_decoder():
    from t2tlite import Decoder

    return Decoder(FOLDER, decode_hparams="extra_length=3")


@pytest.fixture(scope="module")
def decoder():
    return new_decoder()


def answers(decoder, lines=LINES, **decode_hparams):
    found = decoder.n_best(lines, **decode_hparams)
    return [[(one.text, one.score) for one in row] for row in found]


def same(found, expected):
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [score for _, score in found] == pytest.approx([s for _, s in expected], abs=1e-3)


def test_greedy(decoder):
    same([row[0] for row in answers(decoder, beam_size=1)], GREEDY)


def test_beam(decoder):
    for found, expected in zip(answers(decoder, beam_size=4, alpha=0.6), BEAMS, strict=True):
        same(found, expected)


def test_an_answer_does_not_depend_on_its_batch(decoder):
    alone = [answers(decoder, [line], beam_size=4)[0] for line in LINES]
    together = answers(decoder, LINES * 16, beam_size=4)
    for found, expected in zip(together, alone * 16, strict=True):
        same(found, expected)


def test_sampling_is_reproducible_and_differs_by_seed(decoder):
    def draw(decoder, seed):
        how = {"sampling_method": "random", "beam_size": 1, "sampling_temp": 2.0}
        return [row[0][0] for row in answers(decoder, LINES * 4, random_seed=seed, **how)]

    drawn = draw(decoder, 1)
    # A second call of the same Decoder draws anew.
    assert draw(new_decoder(), 1) == drawn
    assert draw(decoder, 2) != drawn
