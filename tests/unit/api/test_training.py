"""What train, evaluate, export and serve refuse before anything slow."""

import inspect
from pathlib import Path

import pytest

import t2tlite
from t2tlite import HParams, RunRecord, TrainArgs
from t2tlite.api.training import args_of_flags
from t2tlite.checkpoint import run_record
from t2tlite.devices.devices import Devices
from t2tlite.errors import (
    CheckpointError,
    DataError,
    HParamsError,
    OutputError,
    ServingError,
    UnknownNameError,
)
from t2tlite.training.new_run import read_hparams

MODEL = Path(__file__).parents[2] / "golden" / "model"
FLAGS = {
    name: parameter.default
    for name, parameter in inspect.signature(t2tlite.train).parameters.items()
}


def test_the_keywords_make_train_args():
    assert args_of_flags(FLAGS) == TrainArgs(warm_start_from="")
    given = {"train_steps": 5, "random_seed": 7, "eval_use_test_set": True, "schedule": "train"}
    expected = TrainArgs(5, seed=7, eval_split="test", evaluate=False, warm_start_from="")
    assert args_of_flags({**FLAGS, **given}) == expected
    own = TrainArgs(train_steps=9)
    assert args_of_flags({**FLAGS, "train_args": own}) == own
    with pytest.raises(HParamsError, match="train_steps, seed: given beside train_args"):
        args_of_flags({**FLAGS, "train_args": own, "train_steps": 5, "random_seed": 7})


def test_evaluate_leaves_a_record_as_it_is(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "t2tlite.api.training.evaluation.evaluate", lambda run, *_: seen.append(run.decode_hparams)
    )
    run = run_record.read(MODEL)
    device = Devices("tensorflow", "CPU", 1)
    t2tlite.evaluate(run, tmp_path, tmp_path, device=device, decode_hparams="beam_size=1")
    assert (seen, run.decode_hparams) == ([{"beam_size": 1}], {})


def test_hparams_in_three_forms(tmp_path):
    changed, names = read_hparams("transformer_small", "num_heads=2,hidden_size=64")
    assert names == {"num_heads": 2, "hidden_size": 64}
    assert read_hparams("transformer_small", {"num_heads": 2, "hidden_size": 64})[0] == changed
    whole, names = read_hparams("", changed)
    assert whole == changed and whole is not changed and names == {}
    (tmp_path / "best.json").write_text('{"num_heads": 8, "dropout": 0.5}')
    both, _ = read_hparams("transformer_small", {"num_heads": 2}, tmp_path / "best.json")
    assert (both.num_heads, both.dropout) == (2, 0.5)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("reverse_digits", "", "m"), {}, DataError, "data_dir=''; expected the path of a folder"),
        (("reverse_digits", "d", None), {}, DataError, "output_dir=None; expected the path"),
        (("reverse_digits", "d", "m"), {}, HParamsError, "model and hparams_set must be given"),
        (("reverse_digits", "d", "m"), {"hparams": HParams()}, HParamsError, "^model must be"),
        (("reverse_digit", "d", "m"), {}, UnknownNameError, "reverse_digits"),
        ((7, "d", "m"), {}, DataError, "problem=7; expected a registered name"),
        (
            ("reverse_digits", "d", "m"),
            {"model": "transfomer", "hparams_set": "transformer_tiny"},
            UnknownNameError,
            "transformer",
        ),
        (
            (RunRecord.describe("reverse_digits", "transformer", HParams(), []), "d", "m"),
            {"schedule": "evaluate"},
            HParamsError,
            "schedule='evaluate'; expected one of continuous_train_and_eval",
        ),
        (
            (
                RunRecord.describe(
                    "reverse_digits", "transformer", HParams(activation_dtype="float32"), []
                ),
                *("d", "m"),
            ),
            {"precision": "bfloat16"},
            HParamsError,
            "precision=bfloat16 contradicts the hparam activation_dtype=float32",
        ),
    ],
)
def test_what_train_refuses(tmp_path, monkeypatch, arguments, options, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        t2tlite.train(*arguments, **options)
    assert list(tmp_path.iterdir()) == []


def test_what_the_others_refuse(tmp_path):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(CheckpointError, match="holds no model"):
        t2tlite.evaluate(data_dir=tmp_path, output_dir=nowhere)
    with pytest.raises(CheckpointError, match="holds no model"):
        t2tlite.export(nowhere)
    with pytest.raises(OutputError, match="format='onnx'.*expected a format of savedmodel, ctr"):
        t2tlite.export(nowhere, format="onnx")
    with pytest.raises(OutputError, match="quantization needs format='ctranslate2'"):
        t2tlite.export(nowhere, quantization="int8")
    with pytest.raises(OutputError, match="decode_hparams have no effect on a CTranslate2"):
        t2tlite.export(nowhere, format="ctranslate2", decode_hparams={"beam_size": 2})
    with pytest.raises(CheckpointError, match="holds no model"):
        t2tlite.serve(nowhere)
    with pytest.raises(ServingError, match="--max_instances=9 exceeds --max_queue=3"):
        t2tlite.serve(nowhere, max_instances=9, max_queue=3)
    with pytest.raises(ServingError, match="--allowed_hosts has 'a:1'"):
        t2tlite.serve(nowhere, allowed_hosts=["a:1"])
    with pytest.raises(ServingError, match="--allowed_hosts has 'a:1'"):
        t2tlite.serve(nowhere, allowed_hosts="example.com,a:1")
    with pytest.raises(HParamsError, match="port='x' is not an integer"):
        t2tlite.serve(nowhere, port="x")
    with pytest.raises(HParamsError, match="eval_steps=0.5 is not an integer"):
        t2tlite.evaluate(data_dir=tmp_path, output_dir=nowhere, eval_steps=0.5)
    with pytest.raises(HParamsError, match="num_workers='all' is not an integer"):
        t2tlite.generate_data("reverse_digits", tmp_path / "data", num_workers="all")
    with pytest.raises(HParamsError, match="format=None; leave it out for the default"):
        t2tlite.export(nowhere, format=None)
    with pytest.raises(DataError, match="nowhere doesn't exist; give the model folder"):
        t2tlite.TrainResult.read(nowhere)
    with pytest.raises(DataError, match="output_dir=None; expected the path of a folder"):
        t2tlite.TrainResult.read(None)
    with pytest.raises(DataError, match="runner='flink'.*expected runner='beam'"):
        t2tlite.generate_data("reverse_digits", tmp_path / "data", runner="flink")


def test_the_name_of_a_served_model_is_part_of_a_url():
    with pytest.raises(ServingError, match="--servable_name='a/b'; expected letters"):
        t2tlite.serve(MODEL, servable_name="a/b", port=0)
