"""Decoding from Python, with a small model that has learned to reverse digits."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from t2tlite.checkpoint import checkpoints, tensor_files
from t2tlite.decode import keras_engine
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.mbr import expected_utilities
from t2tlite.errors import CheckpointError, DataError, HParamsError, VocabularyError

MODEL = Path(__file__).parents[2] / "golden" / "model"
LINES = ["3 1 4", "2 7 1 8 2 8", "", "9", "5 5", "1 2 3 4 5"]


@pytest.fixture(scope="module")
def decoder():
    return Decoder(MODEL, decode_hparams="beam_size=2,extra_length=3")


def how(decoder, text):
    return dataclasses.replace(decoder.decode_hparams).override(text)


def texts(answers):
    return [row[0].text for row in answers]


def test_answers_begin_with_their_prefixes(decoder):
    plain = decoder.n_best(LINES)
    for text in ("beam_size=1", "beam_size=2", "sampling_method=random,beam_size=1"):
        found = decoder.n_best(LINES, how(decoder, text), prefixes=["7 7", "", "7", "", "8 ", ""])
        assert [row[0].text.startswith("7 7") for row in found] == [True] + [False] * 5
        assert found[4][0].text.startswith("8")
        assert found[2][0].text == ""
        if "sampling" not in text:
            assert texts(found)[3] == texts(plain)[3]
    # What is forced costs nothing, and the rest is as long as without.
    alone = decoder.n_best(LINES[:1], prefixes=[texts(plain)[0]])[0][0]
    assert alone.text == texts(plain)[0]
    assert alone.score > plain[0][0].score


def test_the_answer_that_is_most_like_the_others(decoder):
    plain = decoder.n_best(LINES, beam_size=4)
    found = decoder.n_best(LINES, beam_size=4, mbr="chrf")
    for row, ranked in zip(plain, found, strict=True):
        if row[0].text:
            names, scores = [one.text for one in row], [one.score for one in row]
            expected = zip(expected_utilities(names, scores, "chrf"), names, strict=True)
            assert sorted((one.score, one.text) for one in ranked) == sorted(expected)
            assert ranked == sorted(ranked, key=lambda one: -one.score)
    assert found != plain
    assert decoder.decode(LINES, beam_size=4, mbr="chrf") == texts(found)
    # n answers are the best of as many beams or more.
    assert decoder.n_best(LINES, beam_size=4, mbr="chrf", n=2) == [row[:2] for row in found]


def test_prefixes_must_fit_the_lines(decoder):
    with pytest.raises(DataError, match="there are 6 lines and 1 prefixes"):
        decoder.n_best(LINES, prefixes=["7"])


def test_an_answer_is_as_long_as_asked(decoder):
    plain = decoder.n_best(LINES)
    for text in ("beam_size=1", "beam_size=2"):
        longer = decoder.n_best(LINES, how(decoder, f"{text},min_length=5"))
        assert [len(row[0].ids) >= 5 for row in longer] == [bool(line) for line in LINES]
        assert texts(longer)[1] == texts(plain)[1]
        forced = decoder.n_best(LINES, how(decoder, f"{text},force_decode_length=true"))
        # The line's tokens, its EOS, and extra_length.
        sizes = [len(line.split()) + 1 + 3 if line else 0 for line in LINES]
        assert [len(row[0].ids) for row in forced] == sizes


def test_a_minimum_may_be_longer_than_the_line_allows(decoder):
    found = decoder.n_best(["9"], how(decoder, "min_length=20,extra_length=0,beam_size=1"))
    assert len(found[0][0].ids) >= 20


def test_no_repeat_ngram_size(decoder):
    assert len(set(decoder.n_best(["5 5"])[0][0].ids)) == 1
    for text in ("beam_size=1", "beam_size=2"):
        found = decoder.n_best(["5 5"], how(decoder, f"{text},no_repeat_ngram_size=1"))
        assert len(set(found[0][0].ids)) == len(found[0][0].ids)


@pytest.mark.parametrize("text", ["min_length=-1", "no_repeat_ngram_size=-2"])
def test_what_makes_no_sense_is_an_error(decoder, text):
    with pytest.raises(HParamsError, match=text):
        decoder.n_best(LINES, how(decoder, text))


def test_another_checkpoint_of_the_model(decoder, tmp_path):
    other = Decoder(MODEL, decode_hparams=decoder.decode_hparams)
    expected = texts(other.n_best(LINES))
    zeros = {one.path: np.zeros(one.shape, "float32") for one in other.network.weights}
    checkpoints.write_weights(tmp_path, 7, zeros)
    other.load_checkpoint(checkpoints.weights_path(tmp_path, 7))
    assert other.weights == checkpoints.weights_path(tmp_path, 7)
    assert texts(other.n_best(LINES)) != expected
    other.load_checkpoint(250)
    assert texts(other.n_best(LINES)) == expected
    with pytest.raises(CheckpointError, match="251.safetensors doesn't exist"):
        other.load_checkpoint(251)
    assert other.weights.name == "model.ckpt-250.safetensors"


def test_a_line_that_cannot_be_encoded_is_told_by_its_number(decoder):
    with pytest.raises(VocabularyError, match="^line 3: token 'x' isn't among"):
        decoder.n_best(["1", "2", "3 x", "4"], how(decoder, ""))


def test_a_cut_line_is_told_by_its_number(decoder, warned):
    cut = decoder.n_best(LINES, how(decoder, "max_input_size=4"))
    assert warned == ["cut to max_input_size=4 tokens: line 2, 6; -1 decodes them in full"]
    assert len(cut[1][0].ids) < 6
    warned.clear()
    whole = decoder.n_best(["1 2 " * 60], how(decoder, "force_decode_length=true"))
    assert len(whole[0][0].ids) == 2 * 60 + 1 + 3
    assert warned == []


@pytest.mark.parametrize(
    "text",
    [
        "beam_size=1",
        "beam_size=1,no_repeat_ngram_size=1,min_length=4",
        "beam_size=1,force_decode_length=true",
        "sampling_method=random,sampling_temp=2.0,sampling_keep_top_k=4",
    ],
)
def test_tokens_as_they_come_make_the_answer(decoder, text):
    drawn = how(decoder, f"{text},random_seed=5")
    answer = decoder.n_best([LINES[1]], drawn)[0][0]
    # The same draws once more: a search goes on with its own.
    decoder.engine._drawn.clear()
    expected = decoder.n_best([LINES[1]], drawn)[0][0] if "random" in text else answer
    decoder.engine._drawn.clear()
    assert decoder.streams(drawn)
    steps = list(decoder.stream(LINES[1], drawn))
    assert steps[-1].ids == expected.ids
    assert steps[-1].text == expected.text
    assert steps[-1].score == pytest.approx(expected.score, rel=1e-4)
    assert [one.ids for one in steps] == [expected.ids[: n + 1] for n in range(len(steps) - 1)] + [
        expected.ids
    ]
    assert [one.score for one in steps] == sorted((one.score for one in steps), reverse=True)


def test_beams_come_at_once(decoder):
    assert not decoder.streams(decoder.decode_hparams)
    assert list(decoder.stream(LINES[1])) == [decoder.n_best([LINES[1]])[0][0]]
    assert [one.text for one in decoder.stream(" ", how(decoder, "beam_size=1"))] == [""]


@pytest.fixture
def damage(tmp_path):
    """A function that returns a Decoder of the golden model with one changed weight."""

    def make(value, name, index=(...,)):
        folder = tmp_path / "damaged"
        shutil.copytree(MODEL, folder)
        path = checkpoints.find(folder, "")
        tensors = tensor_files.read_tensors(path)
        [key] = [key for key in tensors if name in key]
        changed = np.array(tensors[key])
        changed[index] = value
        tensor_files.write_tensors(path, {**tensors, key: changed}, {})
        return Decoder(folder, decode_hparams="beam_size=2,extra_length=3")

    return make


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_not_loaded(damage, value):
    name = "encoder/layer_0/self_attention/query/kernel"
    with pytest.raises(CheckpointError, match=r"safetensors is damaged \(.* NaN or infinite"):
        damage(value, name, (0, 0))


def test_scores_that_are_not_finite_name_the_checkpoint(damage):
    # Finite itself; products of it aren't.
    damaged = damage(3e38, "decoder/layer_0/self_attention/query/kernel")
    calls = [
        *(lambda text=text: damaged.n_best(LINES, how(damaged, text)) for text in (
            "beam_size=1", "beam_size=4", "sampling_method=random", "beam_size=4,alpha=0.0",
            "beam_size=4,force_decode_length=true", "beam_size=4,no_repeat_ngram_size=1",
        )),
        lambda: list(damaged.stream(LINES[0], how(damaged, "beam_size=1"))),
        lambda: damaged.score([("1 2", "2 1")]),
        lambda: damaged.decode(["1 2"]),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(CheckpointError, match=r"\A.*model.ckpt-\d+.safetensors gives scores"):
            call()


def test_an_n_best_list_is_as_long_as_there_are_answers(decoder):
    few = how(decoder, "beam_size=40,extra_length=0")
    answers = decoder.n_best(["1"], few)[0]
    assert 1 < len(answers) < 40
    assert all(one.score > -1e6 for one in answers)


def test_a_line_that_is_too_long_is_an_error_before_anything_is_decoded(decoder, monkeypatch):
    # 10 MB are left.
    monkeypatch.setattr(keras_engine.free_memory, "left", lambda _: 10**7)
    monkeypatch.setattr(keras_engine, "_SMALL_BYTES", 0)
    most = decoder.engine.max_tokens(1, decoder.decode_hparams)
    assert 100 < most < 5_000
    assert decoder.engine.max_tokens(4, decoder.decode_hparams) < most
    long = "7 " * 60_000
    expected = "has 60,001 tokens, and at most 4.. fit; split it, or cut lines by"
    with pytest.raises(DataError, match=f"line 3 {expected}"):
        decoder.n_best(["1", "2", long, "4"])
    with pytest.raises(DataError, match=f"line 1 {expected}"):
        list(decoder.stream(long, how(decoder, "beam_size=1")))
    with pytest.raises(DataError, match="pair 2 has 60,001 tokens, more than the memory"):
        decoder.score([("1", "1"), (long, "1")])
    with pytest.raises(DataError, match="attention weights of 60,001 tokens don't fit"):
        decoder.attention(long, "7")
    assert decoder.n_best([long, "1"], how(decoder, "max_input_size=9"))[1][0].text == "1"


def test_one_text_gets_one_answer(decoder):
    answers = decoder.decode(LINES)
    assert decoder.decode(LINES[0]) == answers[0]
    assert decoder.decode("") == ""
    assert decoder.decode(iter(LINES)) == answers
    assert decoder.decode([]) == []
    backwards = pd.Series(LINES, index=range(len(LINES), 0, -1))
    assert decoder.decode(backwards) == answers
    assert len(decoder.n_best(LINES[0])) == 2
    assert decoder.n_best(LINES[0])[0].text == answers[0]


def test_keywords_change_how_one_call_decodes(decoder):
    expected = decoder.n_best(LINES, how(decoder, "beam_size=4,alpha=0.0"))
    assert decoder.n_best(LINES, beam_size=4, alpha=0.0) == expected
    assert decoder.n_best(LINES, {"beam_size": 4}, alpha=0.0) == expected
    assert decoder.n_best(LINES, "beam_size=4,alpha=0.0") == expected
    assert decoder.decode(LINES, beam_size=4, alpha=0.0) == [row[0].text for row in expected]
    assert [len(row) for row in decoder.n_best(LINES)] == [2, 2, 1, 2, 2, 2]
    assert list(decoder.stream("1 2", beam_size=1))[-1].text == decoder.decode("1 2", beam_size=1)
    with pytest.raises(HParamsError, match="no decode hparam is named beamsize.*beam_size"):
        decoder.decode("1", beamsize=3)
    with pytest.raises(HParamsError, match="decode hparam beam_size='many' is not an integer"):
        decoder.decode("1", beam_size="many")
    with pytest.raises(HParamsError, match="expected a dict, 'beam_size=4"):
        Decoder(MODEL, decode_hparams=4)


def test_decode_hparams_may_be_a_dict(decoder):
    other = Decoder(MODEL, decode_hparams={"beam_size": 2, "extra_length": "3"})
    assert other.decode_hparams == decoder.decode_hparams


def test_n_answers(decoder):
    wide = decoder.n_best("3 1 4", beam_size=5)
    assert decoder.n_best("3 1 4", n=5) == wide
    assert decoder.n_best(["3 1 4"], n=3, beam_size=5) == [wide[:3]]
    assert len(decoder.n_best("3 1 4", n=1)) == 1
    drawn = decoder.n_best(["3 1 4", "5"], n=3, sampling_method="random", sampling_temp=3.0)
    assert [len(row) for row in drawn] == [3, 3]
    assert all(row == sorted(row, key=lambda one: -one.score) for row in drawn)
    with pytest.raises(DataError, match="n is int 0; expected a whole number"):
        decoder.n_best("3", n=0)
    assert len(decoder.n_best("3 1 4", n=np.int64(2))) == 2
    with pytest.raises(HParamsError, match="n: decode gives one answer to a line; n_best gives"):
        decoder.decode("3", n=2)


@pytest.mark.parametrize("value", [None, b"1", 3, float("nan"), {"1": "2"}, {"1"}, ["1", None]])
def test_what_is_no_text_is_an_error(decoder, value):
    calls = [decoder.decode, decoder.n_best, decoder.stream, decoder.score, decoder.attention]
    for call in calls:
        with pytest.raises(DataError, match="expected a"):
            call(value)


def test_what_fits_no_line_is_an_error(decoder):
    with pytest.raises(DataError, match="one prefix for several lines"):
        decoder.n_best(LINES, prefixes="1")
    with pytest.raises(DataError, match="the answer is int 3"):
        decoder.attention("1", 3)
    with pytest.raises(DataError, match="the line is list"):
        decoder.stream(LINES)
    with pytest.raises(DataError, match="prefix 2: character 0 of the text is"):
        decoder.n_best(["1", "2"], prefixes=["1", "\ud800"])
    with pytest.raises(DataError, match="the target of pair 2: character 0 of the text is"):
        decoder.score([("1", "1"), ("2", "\udfff")])
    assert decoder.n_best("1 2", prefixes="2")[0].text.startswith("2")


def test_scores_take_any_iterable_of_pairs(decoder):
    pairs = [("1 2", "2 1"), ("3", "3")]
    assert decoder.score(iter(pairs)) == decoder.score(pairs)
    assert decoder.score(zip(*zip(*pairs, strict=True), strict=True)) == decoder.score(pairs)
    with pytest.raises(DataError, match="pair 1 is str 'ab'; expected an iterable of"):
        decoder.score(["ab", "cd"])


def test_it_shows_what_it_is(decoder):
    shown = repr(decoder)
    assert shown.startswith(f"Decoder(folder={str(MODEL)!r}, problem='reverse_digits', model='")
    assert "checkpoint='model.ckpt-250', decode_hparams='beam_size=2, extra_length=3')" in shown
    assert "<td" in decoder._repr_html_() and "model.ckpt-250" in decoder._repr_html_()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beam": 2}, "no decode hparam is named beam: did you mean beam_size"),
        ({"beam_size": 0}, "beam_size=0 is outside 1"),
        ({"batch_size": 2}, "batch_size is no default of a model"),
    ],
)
def test_a_wrong_default_is_told_by_its_file(tmp_path, values, message):
    model = shutil.copytree(MODEL, tmp_path / "model")
    record = json.loads((model / "run.json").read_text())
    (model / "run.json").write_text(json.dumps(record | {"decode_hparams": values}))
    with pytest.raises(HParamsError, match=f"model/run.json: .*{message}"):
        Decoder(model)


def test_the_home_of_the_user_and_what_is_no_folder(monkeypatch):
    monkeypatch.setenv("HOME", str(MODEL.parent))
    assert Decoder("~/model").output_dir == str(MODEL)
    for value in [None, 5, b"model", "", "a\0b"]:
        with pytest.raises(DataError, match="output_dir=.*; expected the path of a folder$"):
            Decoder(value)
