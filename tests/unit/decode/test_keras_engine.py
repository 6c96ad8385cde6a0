"""The Keras engine, with a small model that has learned to reverse digits."""

import dataclasses
import functools
from pathlib import Path

import keras
import numpy as np
import pytest

from t2tlite.decode import keras_engine, keras_search
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.engine import Row
from t2tlite.devices import devices
from t2tlite.errors import DeviceError
from t2tlite.text_problems import Text2TextProblem, VocabType

MODEL = Path(__file__).parents[2] / "golden" / "model"


@pytest.fixture(scope="module")
def decoder():
    return Decoder(MODEL, decode_hparams="beam_size=2,extra_length=3")


def changed(decoder, text):
    return dataclasses.replace(decoder.decode_hparams).override(text)


def test_answers_have_neither_eos_nor_padding(decoder):
    encode = decoder.encoders["inputs"].encode
    rows = [Row([*encode(text), 1]) for text in ("3 1 4", "9")]
    answers = decoder.engine.search(rows, decoder.decode_hparams)
    assert [row[0].ids for row in answers] == [encode("4 1 3"), encode("9")]
    assert [len(row) for row in answers] == [2, 2]


def test_samples_of_a_seed_do_not_depend_on_those_before(decoder):
    sampling = changed(decoder, "sampling_method=random,sampling_temp=3,beam_size=1")
    rows = [Row([3, 4, 5, 6, 1])] * 8
    first, other, again = (decoder.engine.search(rows, sampling, seed) for seed in (5, 6, 5))
    assert first == again
    assert first != other


def test_it_runs_on_one_machine(decoder, monkeypatch):
    pod = dataclasses.replace(devices.choose(), workers=2)
    with pytest.raises(DeviceError, match="decoding runs on one machine.*one of 2"):
        Decoder(MODEL, device=pod)


def test_a_few_compiled_searches_are_kept(decoder, monkeypatch):
    monkeypatch.setattr(keras_engine, "MOST_SEARCHES", 2)
    monkeypatch.setattr(decoder.engine, "_searches", {})
    for size in (1, 2, 1, 3):
        decoder.n_best(["9"], changed(decoder, f"beam_size={size}"))
    searches = decoder.engine._searches
    # The one that wasn't used for longest is gone.
    assert [search.beams for search in searches.values()] == [1, 3]
    kept = list(searches.values())
    decoder.n_best(["9"], changed(decoder, "beam_size=3,num_samples=3,batch_size=1"))
    assert list(searches.values()) == kept


def test_other_numbers_compile_nothing(decoder, monkeypatch):
    monkeypatch.setattr(decoder.engine, "_searches", {})
    traces = []
    call = keras_search.Search.call
    monkeypatch.setattr(
        keras_search.Search, "call", lambda self, features: traces.append(1) or call(self, features)
    )
    for number in range(8):
        decoder.n_best(["1 2"], beam_size=2, alpha=number / 10, extra_length=number)
    assert (len(decoder.engine._searches), len(traces)) == (1, 2)
    drawn = {"sampling_method": "random", "sampling_temp": 0.5, "sampling_top_p": 0.5}
    for number in range(1, 9):
        changes = {name: number * drawn[name] / 8 for name in ("sampling_temp", "sampling_top_p")}
        changes |= {"sampling_keep_top_k": 8 + number, "random_seed": number}
        decoder.n_best(["1 2"], **(drawn | changes))
    assert (len(decoder.engine._searches), len(traces)) == (2, 3)
    # What is the default needn't be compiled again because it is named.
    decoder.n_best(["1 2"], beam_size=2, sampling_method="argmax")
    decoder.n_best(["1 2"], **(drawn | {"beam_size": 3, "sampling_keep_top_k": 10}))
    assert len(decoder.engine._searches) == 2


def test_inputs_of_a_compiled_search_have_their_effect(decoder):
    draw = functools.partial(decoder.n_best, ["1 2 3"], sampling_method="random", n=20)
    spread = [
        len({answer.text for answer in draw(**cuts)[0]})
        for cuts in (
            {"sampling_temp": 100.0},
            {"sampling_temp": 100.0, "sampling_keep_top_k": 1},
            {"sampling_temp": 100.0, "sampling_top_p": 1e-6},
            {"sampling_temp": 0.001},
        )
    ]
    assert spread[0] > 10
    assert spread[1:] == [1, 1, 1]
    for length in (0, 2, 5):
        answers = decoder.n_best(["1 2"], force_decode_length=True, extra_length=length)[0]
        assert len(answers[0].ids) == 3 + length
    scores = [decoder.n_best("1 2 3", alpha=alpha)[0].score for alpha in (0.0, 1.0)]
    length = len(decoder.n_best("1 2 3")[0].ids) + 1
    assert scores[1] == pytest.approx(scores[0] / ((5 + length) / 6), rel=1e-5)


def test_a_line_with_a_seed_does_not_depend_on_its_batch(decoder):
    drawn = changed(decoder, "sampling_method=random,sampling_temp=100.0")

    def texts(lines, seeds):
        return [answers[0].text for answers in decoder.search_lines(lines, drawn, seeds=seeds)]

    (alone,) = texts(["1 2"], [5])
    assert texts(["3", "1 2", "1 2", "4 5 6 7 8 9 1 2 3"], [5, 6, 5, None])[2] == alone
    assert list(decoder.stream("1 2", drawn, seed=5))[-1].text == alone
    assert len(set(texts(["1 2"] * 10, range(10)))) > 1
    assert len(set(texts(["1 2"] * 10, [None] * 10))) > 1


def test_shapes_of_any_number_are_traced_a_few_times(decoder, monkeypatch):
    traces = []
    call = keras_search.Search.call
    monkeypatch.setattr(decoder.engine, "_searches", {})
    monkeypatch.setattr(
        keras_search.Search,
        "call",
        lambda self, features: traces.append(features) or call(self, features),
    )
    decode_hparams = changed(decoder, "beam_size=2,extra_length=0")
    lines = [["1 2 3 4 " * width] * height for width in (1, 3, 5, 7) for height in (1, 2, 3, 5)]
    for batch in lines:
        decoder.n_best(batch, decode_hparams)
    assert len(traces) <= 3
    # Where each shape is a compilation of its own, there are few.
    engine = decoder.engine
    monkeypatch.setattr(engine, "_device", dataclasses.replace(engine._device, backend="jax"))
    assert engine._device.static_shapes
    shapes = {engine.pad([[4] * n] * rows).shape for n in range(1, 200) for rows in (1, 7, 8)}
    assert shapes == {(rows, width) for rows in (1, 8) for width in (8, 16, 32, 64, 128, 256)}


class Pairs(Text2TextProblem):
    """Bytes to bytes."""

    vocab_type = VocabType.CHARACTER


@pytest.mark.parametrize(
    "mode", ["prepend_inputs_masked_attention", "prepend_inputs_full_attention"]
)
def test_one_sequence_of_inputs_and_targets(new_decoder, mode):
    """Searches, scores and attention of a decoder without an encoder."""
    decoder = new_decoder(Pairs, decode_hparams="beam_size=3,extra_length=3", prepend_mode=mode)
    lines = ["ab", "a longer line", "c"]
    together, apart = decoder.n_best(lines), [decoder.n_best([line])[0] for line in lines]
    for answers, alone in zip(together, apart, strict=True):
        assert [one.ids for one in answers] == [one.ids for one in alone]
        scores = [one.score for one in answers]
        assert scores == pytest.approx([one.score for one in alone], rel=1e-3)
    encode = decoder.encoders["inputs"].encode
    joined = [*encode("ab"), 1, 0, *encode("xy"), 1]
    logits = decoder.network({"targets": np.array([joined], np.int32)})[0]
    log_probs = np.array(keras.ops.log_softmax(logits))
    expected = sum(log_probs[position, joined[position]] for position in (4, 5, 6))
    # The other pair only makes the batch wider.
    score, _ = decoder.score([("ab", "xy"), ("a longer line", "a longer answer")])
    assert (score.log_prob, score.tokens) == (pytest.approx(expected, rel=1e-4), 3)
    found = decoder.attention("ab", "xy")
    assert (found.inputs, found.kind, len(found.outputs)) == ([], "decoder", 7)
    [[weights]] = found.weights["decoder"].mean(1, keepdims=True)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    # The first position sees the inputs after it only with full attention.
    assert weights[0, 1:4].any() == (mode == "prepend_inputs_full_attention")
    assert not weights[0, 4:].any()
