"""Greedy search by CTranslate2 gives Keras's answers, and everything else is Keras's own."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from t2tlite import DecodeHParams, Decoder, libraries
from t2tlite.errors import CheckpointError, HParamsError
from t2tlite.exporting import automatic_engine, ctranslate2
from t2tlite.exporting.automatic_engine import engine_maker

pytest.importorskip("ctranslate2", reason="needs t2tlite[ct2]")

MODEL = Path(__file__).parents[2] / "golden" / "model"
GREEDY = DecodeHParams(beam_size=1)


def load(folder=MODEL, checkpoint=""):
    return Decoder(folder, checkpoint, make_engine=engine_maker("auto", checkpoint, None))


@pytest.fixture(scope="module")
def automatic():
    return load()


@pytest.fixture(scope="module")
def keras():
    return Decoder(MODEL)


@pytest.fixture
def searches(monkeypatch):
    """Numbers of rows of the searches by CTranslate2."""
    rows = []
    search = automatic_engine._JustExported.search

    def counting(self, *arguments):
        rows.append(len(arguments[0]))
        return search(self, *arguments)

    monkeypatch.setattr(automatic_engine._JustExported, "search", counting)
    return rows


def same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert [one.text for one in ours] == [one.text for one in theirs]
        scores = [[one.score for one in answers] for answers in (ours, theirs)]
        np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-4)


def test_greedy_answers_are_those_of_keras(automatic, keras, searches):
    draw = np.random.default_rng(0)
    lines = [" ".join(map(str, draw.integers(0, 10, n))) for n in draw.integers(1, 30, 200)]
    for extra_length in (0, 3, 50):
        how = DecodeHParams(beam_size=1, extra_length=extra_length)
        same(automatic.n_best(lines, how), keras.n_best(lines, how))
    assert sum(searches) == 600


@pytest.mark.parametrize(
    "how",
    [
        {"beam_size": 4},
        {"sampling_method": "random", "random_seed": 3},
        {"min_length": 2},
        {"no_repeat_ngram_size": 2},
        {"force_decode_length": True},
        {"extra_length": 5000},
    ],
)
def test_what_keras_does(automatic, keras, searches, how):
    how = DecodeHParams(**{"beam_size": 1, **how})
    same(automatic.n_best(["3 1 4"], how), keras.n_best(["3 1 4"], how))
    assert searches == []


def test_prefixes_are_for_keras(automatic, keras, searches):
    found = [one.n_best(["3 1 4"], GREEDY, ["4"]) for one in (automatic, keras)]
    same(*found)
    assert searches == []


def test_warming_up_exports_once_and_another_checkpoint_again(monkeypatch, searches, caplog):
    caplog.set_level(logging.INFO, "t2tlite")
    written, write = [], ctranslate2.write

    def counting(*arguments):
        written.append(arguments[2])
        write(*arguments)

    monkeypatch.setattr(ctranslate2, "write", counting)
    decoder = load()
    assert not written
    decoder.warm_up(GREEDY)
    decoder.decode("1 2", beam_size=1)
    assert written == [decoder.checkpoint_name]
    decoder.load_checkpoint("")
    decoder.decode("1 2", beam_size=1)
    assert len(written) == 2
    assert sum(searches) == 2
    said = [one.getMessage() for one in caplog.records if "greedy" in one.getMessage()]
    assert said == ["CTranslate2 does the greedy search; --engine=keras leaves it to Keras"] * 2


@pytest.mark.parametrize(
    "error", [HParamsError("pos=none can't be expressed"), OSError(28, "No space left on device")]
)
def test_what_cant_be_exported_is_searched_by_keras(monkeypatch, keras, searches, caplog, error):
    caplog.set_level(logging.INFO, "t2tlite")

    def refusing(*arguments):
        raise error

    monkeypatch.setattr(ctranslate2, "write", refusing)
    decoder = load()
    for _ in range(2):
        same(decoder.n_best(["3 1 4"], GREEDY), keras.n_best(["3 1 4"], GREEDY))
    said = [one.getMessage() for one in caplog.records if "greedy" in one.getMessage()]
    assert said == [f"Keras does the greedy search: {error}"]
    assert searches == []


def test_damaged_weights_are_named(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(MODEL, tmp_path / "model")
    [path] = folder.glob("model.ckpt-*.safetensors")
    weights = {name: np.full_like(value, np.nan) for name, value in load_file(path).items()}
    save_file(weights, path)
    with pytest.raises(CheckpointError):
        load(folder).decode("1 2", beam_size=1)


def test_who_gets_it(monkeypatch):
    assert engine_maker("keras", "", None) is None
    with pytest.raises(HParamsError, match="engine='fast'; expected one of auto, keras"):
        engine_maker("fast", "", None)
    monkeypatch.setattr(libraries, "is_installed", lambda name: name != "ctranslate2")
    assert engine_maker("auto", "", None) is None
