"""Evaluation by decoding: a network with the weights of the moment, compiled once."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from t2tlite.bulk.bleu import file_bleu
from t2tlite.bulk.dataset import decode_dataset
from t2tlite.checkpoint import run_record
from t2tlite.decode.decoder import Decoder
from t2tlite.devices.devices import Devices
from t2tlite.errors import DataError, HParamsError
from t2tlite.training.decoded_evaluation import DecodedEvaluation
from tests.unit.conftest import write_dev_shard

# It has learned to reverse digits.
MODEL = Path(__file__).parents[2] / "golden" / "model"
PAIRS = [("3 1 4", "4 1 3"), ("9", "0"), ("5 5", "5 6 5"), ("9", "9"), ("1 2", "9 9 9")]
HOW = {"beam_size": 1, "extra_length": 0}


@pytest.fixture
def decoder():
    return Decoder(MODEL, decode_hparams=HOW)


@pytest.fixture
def digits_dir(decoder, tmp_path):
    """Examples of which two have the same input, one of them with a wrong target."""
    write_dev_shard(decoder, tmp_path, PAIRS)
    return str(tmp_path)


def test_the_scores_are_those_of_the_decoder(decoder, digits_dir, monkeypatch, tmp_path):
    from t2tlite.decode.keras_search import Search

    run = run_record.read(MODEL)
    run.decode_hparams = HOW
    device = Devices("tensorflow", "CPU", 1)
    about = run, decoder.problem, decoder.network, device, digits_dir, "eval", [""], 3
    evaluation = DecodedEvaluation(*about)
    traced = []
    call = Search.call
    monkeypatch.setattr(Search, "call", lambda *args: (traced.append(1), call(*args))[1])
    metrics, effort = evaluation.evaluate()
    assert effort.startswith("3 inputs decoded in ")
    # Of the first three inputs one is wrong; that with two targets has one of them.
    assert metrics[""]["exact_match"] == pytest.approx(200 / 3)
    assert metrics[""]["token_error_rate"] == pytest.approx(100 / 7)
    answers, references = decode_dataset(decoder, digits_dir, "eval", tmp_path / "answers")
    three = dataclasses.replace(decoder.decode_hparams, num_samples=3)
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:3]))
    assert file_bleu(answers, references, decode_hparams=three).metrics == metrics[""]
    # The weights of the moment count, and no search is compiled for them again.
    count = len(traced)
    for weight in decoder.network.weights:
        weight.assign(np.zeros(weight.shape, np.float32))
    metrics, _ = evaluation.evaluate()
    assert metrics[""]["exact_match"] == 0
    assert len(traced) == count


@pytest.mark.parametrize(
    ("problem", "model", "train_args", "error", "message"),
    [
        (
            *("echo", "transformer", {"stop_metric": "metrics-echo/exact_match"}, HParamsError),
            "--eval_early_stopping_metric=metrics-echo/exact_match is measured by decoding; add "
            "--eval_decode=N, the number of inputs to decode, or choose one of: loss, accuracy, ",
        ),
        (
            *("echo", "transformer", {"stop_metric": "cer", "eval_decode": 2}, HParamsError),
            "--eval_early_stopping_metric=cer is not one of the metrics; choose one of: loss, "
            "accuracy, ",
        ),
        (
            # An evaluation before the averages differ from the weights doesn't have it.
            *("echo", "transformer", {"stop_metric": "raw_loss"}, HParamsError),
            "--eval_early_stopping_metric=raw_loss is not one of the metrics; choose one of: ",
        ),
        (
            *("echo", "transformer", {"stop_metric": "echo:loss"}, HParamsError),
            "--eval_early_stopping_metric=echo:loss is not one of the metrics; ",
        ),
        (
            *("lengths", "transformer_encoder", {"eval_decode": 2}, DataError),
            "--eval_decode=2: the answers are no texts, so the metrics without decoding say how "
            "good they are; leave it out",
        ),
    ],
)
def test_what_cannot_be_measured(make_setup, problem, model, train_args, error, message):
    with pytest.raises(error) as caught:
        make_setup(problem, model, **train_args)
    assert message in str(caught.value)


def test_a_language_model_has_no_inputs(make_setup):
    setup = make_setup(eval_decode=2)
    from t2tlite.training import decoded_evaluation

    del setup.problem_hparams.vocab_size["inputs"]
    with pytest.raises(DataError, match="the model is a language model, which has no inputs to"):
        decoded_evaluation.check(setup.train_args, setup.problem, setup.problem_hparams, [])
