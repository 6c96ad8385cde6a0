"""T2T's own numbers, from its own checkpoint: logits, greedy decodes, beams with scores."""

import json

import numpy as np
import pytest

from t2tlite.config import HParams, ProblemHParams
from tests.golden.t2t_checkpoint import load_t2t_weights

VOCAB_SIZE = 8425


@pytest.fixture(scope="module")
def hparams():
    return HParams().override("num_hidden_layers=2,hidden_size=128,filter_size=512,num_heads=4")


@pytest.fixture(scope="module")
def problem_hparams():
    names = ("inputs", "targets")
    return ProblemHParams(
        vocab_size=dict.fromkeys(names, VOCAB_SIZE), modality=dict.fromkeys(names, "symbol")
    )


@pytest.fixture(scope="module")
def network(shared, hparams, problem_hparams):
    from t2tlite.model.transformer import Transformer
    from t2tlite.run.record import build

    made = Transformer(hparams, problem_hparams)
    build(made, problem_hparams)
    load_t2t_weights(made, shared / "fixtures/t2t/poetry_model")
    return made


@pytest.fixture(scope="module")
def recorded(shared):
    with np.load(shared / "fixtures/t2t/poetry_logits.npz") as arrays:
        return {name: arrays[name] for name in arrays}


@pytest.fixture(scope="module")
def examples(shared):
    return json.loads((shared / "fixtures/t2t/poetry_decode.json").read_text())["examples"]


def test_logits_are_t2ts(network, recorded):
    features = {"inputs": recorded["inputs"], "targets": recorded["targets"]}
    difference = np.abs(np.asarray(network(features)) - recorded["logits"])
    assert difference[recorded["targets"] != 0].max() < 2e-5


@pytest.mark.parametrize("beams", [1, 4])
def test_decodes_are_t2ts(network, recorded, examples, hparams, problem_hparams, beams):
    from t2tlite.run.decoding import DecodeHParams
    from t2tlite.run.searching import make_search

    search = make_search(
        network, problem_hparams, hparams, DecodeHParams(beam_size=beams, extra_length=20)
    )
    search.compile(jit_compile=False)
    rows, width = recorded["inputs"].shape
    # T2T lets each row run as long as the longest of its batch.
    lengths = np.full(rows, width, np.int32)
    found = search.predict_on_batch({"ids": recorded["inputs"], "lengths": lengths})
    for row, expected in enumerate(examples):
        ids = [without_eos(one) for one in found["ids"][row].tolist()]
        if beams == 1:
            assert ids == [without_eos(expected["greedy_ids"])]
            continue
        assert ids == [one["ids"] for one in expected["beam"]]
        scores = [one["score"] for one in expected["beam"]]
        assert found["scores"][row].tolist() == pytest.approx(scores, abs=1e-3)


def without_eos(ids):
    ids = ids[: ids.index(1)] if 1 in ids else ids
    return [one for one in ids if one]
