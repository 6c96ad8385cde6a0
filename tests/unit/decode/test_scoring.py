"""Scores of given pairs, with a small model that has learned to reverse digits."""

from pathlib import Path

import numpy as np
import pytest

from t2tlite.decode import scoring
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import DataError

MODEL = Path(__file__).parents[2] / "golden" / "model"
LINES = ["3 1 4", "2 7 1 8 2 8", "9", "1 2 3 4 5"]


@pytest.fixture(scope="module")
def decoder():
    return Decoder(MODEL, decode_hparams="beam_size=1,extra_length=3")


def test_a_greedy_answer_has_the_score_that_the_search_gave_it(decoder):
    answers = [row[0] for row in decoder.n_best(LINES)]
    pairs = [(line, one.text) for line, one in zip(LINES, answers, strict=True)]
    found = decoder.score(pairs)
    np.testing.assert_allclose([one.log_prob for one in found], [a.score for a in answers], 1e-3)
    assert [one.tokens for one in found] == [len(one.ids) + 1 for one in answers]


def test_each_beam_has_the_score_that_the_search_gave_it(decoder):
    how = DecodeHParams(beam_size=4, alpha=0.6, extra_length=3)
    beams = [
        (line, one)
        for line, row in zip(LINES, decoder.n_best(LINES, how), strict=True)
        for one in row
    ]
    found = decoder.score([(line, one.text) for line, one in beams])
    penalties = [((5 + one.tokens) / 6) ** 0.6 for one in found]
    scores = [one.log_prob / penalty for one, penalty in zip(found, penalties, strict=True)]
    np.testing.assert_allclose(scores, [one.score for _, one in beams], 1e-3)


def test_a_score_is_the_sum_of_the_models_log_probabilities(decoder):
    encode = decoder.encoders["inputs"].encode
    inputs, targets = [*encode("3 1 4"), 1], [*encode("4 1"), 1]
    features = {"inputs": np.array([inputs]), "targets": np.array([targets])}
    logits = np.asarray(decoder.network(features), "float64")[0]
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = sum(log_probs[place, one] for place, one in enumerate(targets))
    found = decoder.score([("3 1 4", "4 1")])[0]
    assert found.log_prob == pytest.approx(expected, rel=1e-4)
    assert found.loss == pytest.approx(-expected / 3, rel=1e-4)


def test_batches_change_no_score(decoder, monkeypatch):
    pairs = [(line, other) for line in LINES for other in LINES]
    alone = [decoder.score([pair])[0].log_prob for pair in pairs]
    np.testing.assert_allclose([one.log_prob for one in decoder.score(pairs)], alone, 1e-3)
    batches, score = [], decoder.engine.score
    monkeypatch.setattr(scoring, "BATCH_TOKENS", 24)
    monkeypatch.setattr(
        decoder.engine, "score", lambda features: batches.append(features) or score(features)
    )
    np.testing.assert_allclose([one.log_prob for one in decoder.score(pairs)], alone, 1e-3)
    assert len(batches) > 3


def test_a_file_keeps_its_blank_lines(decoder, tmp_path, monkeypatch):
    (tmp_path / "pairs").write_text("3 1 4\t4 1 3\n\n 9 \t 9 \n9\t3 3 3 3\n")
    # Each line is a block of its own.
    monkeypatch.setattr(scoring, "BLOCK_LINES", 1)
    first, blank, second, third = scoring.score_file(
        decoder.engine, decoder.folder, tmp_path / "pairs"
    )
    scores = decoder.score([("3 1 4", "4 1 3"), ("9", "9")])
    assert blank is None
    assert [first.loss, second.loss] == pytest.approx([one.loss for one in scores], abs=1e-6)
    assert third.loss > second.loss


def test_perplexities_of_several_texts():
    total = scoring.Score(-3.0, 4, 2, 6) + scoring.Score(-5.0, 6, 3, 14)
    assert total == scoring.Score(-8.0, 10, 5, 20)
    assert total.perplexities() == "perplexity 2.2255 a token, 4.9530 a word, 1.4918 a byte"


def test_words_and_bytes_are_those_of_the_text(decoder):
    [found] = decoder.score([("1", "3 1 4")])
    assert (found.words, found.bytes) == (4, 6)


@pytest.mark.parametrize(("line", "tabs"), [("3 1 4", 0), ("3\t1\t4", 2)])
def test_a_line_without_its_tab_is_named(decoder, tmp_path, line, tabs):
    (tmp_path / "pairs").write_text(f"1\t1\n{line}\n")
    with pytest.raises(DataError, match=f"pairs, line 2 has {tabs} tabs; one is expected"):
        next(scoring.score_file(decoder.engine, decoder.folder, tmp_path / "pairs"))


def test_each_label_has_the_score_that_decoding_gave_it(classifier):
    [answers] = classifier.n_best(["a b c"])
    assert {one.text for one in answers} == {"glad", "sad", "none"}
    assert np.exp([one.score for one in answers]).sum() == pytest.approx(1, abs=1e-5)
    found = classifier.score([("a b c", one.text) for one in answers])
    np.testing.assert_allclose(
        [one.log_prob for one in found], [one.score for one in answers], 1e-4
    )
    assert {one.tokens for one in found} == {1}


def test_what_is_no_label_is_named_by_its_line(classifier, tmp_path):
    (tmp_path / "pairs").write_text("a\tsad\n\nb\tmad\n")
    with pytest.raises(
        DataError, match="pairs, line 3: 'mad' isn't a class label; expected one of"
    ):
        next(scoring.score_file(classifier.engine, classifier.folder, tmp_path / "pairs"))
    with pytest.raises(DataError, match="pair 2: 'mad' isn't a class label"):
        classifier.score([("a", "sad"), ("b", "mad")])


def test_a_line_that_is_too_long_gets_no_score_and_a_warning(
    decoder, tmp_path, monkeypatch, warned
):
    monkeypatch.setattr(scoring, "BLOCK_LINES", 2)
    monkeypatch.setattr(type(decoder.engine), "max_tokens", lambda *_: 50)
    (tmp_path / "pairs").write_text("1\t1\n\n" + "7 " * 99 + "\t1\n2\t2\n")
    scores = list(scoring.score_file(decoder.engine, decoder.folder, tmp_path / "pairs"))
    assert [score is None for score in scores] == [False, True, True, False]
    assert warned == [
        f"{tmp_path}/pairs, line 3 has 100 tokens, more than the memory is enough for; split it; "
        f"it gets no score"
    ]
