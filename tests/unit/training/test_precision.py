"""Which precision a training begins and goes on with, on which device."""

import json

import pytest

from t2tlite.checkpoint import run_record
from t2tlite.config import HParams
from t2tlite.devices.devices import Devices
from t2tlite.errors import HParamsError
from t2tlite.training import precision
from t2tlite.training.evaluate import evaluate
from t2tlite.training.new_run import describe_run, read_hparams, recorded_run
from t2tlite.training.train import train
from t2tlite.training.train_args import TrainArgs

# A CPU without AMX multiplies in float32; XLA on a CPU does so on every CPU.
TPU, CPU = Devices("jax", "TPU", 8), Devices("jax", "CPU", 1)


@pytest.mark.parametrize(
    ("asked", "before", "device", "shown"),
    [
        ("auto", None, CPU, "float32 products"),
        (
            *("auto", None, TPU),
            "bfloat16 products (chosen for this TPU; --precision=float32 for float32)",
        ),
        ("float32", None, TPU, "float32 products"),
        ("bfloat16", None, TPU, "bfloat16 products"),
        ("bfloat16", None, CPU, "bfloat16 products (float32 should be faster on this CPU)"),
        ("auto", "float32", CPU, "float32 products as before"),
        (
            *("auto", "float32", TPU),
            "float32 products as before; --precision=bfloat16 should be faster on this TPU",
        ),
        (
            *("auto", "bfloat16", CPU),
            "bfloat16 products as before; --precision=float32 should be faster on this CPU",
        ),
        ("bfloat16", "bfloat16", TPU, "bfloat16 products as before"),
        ("float32", "bfloat16", CPU, "float32 products from now on, bfloat16 before"),
    ],
)
def test_a_training_begins_with_the_faster_and_keeps_it(
    make_run, data_dir, tmp_path, asked, before, device, shown
):
    if before:
        run = make_run(activation_dtype=before)
        run.take_vocabularies(tmp_path, data_dir)
        run.write(tmp_path, data_dir)
    run = make_run(activation_dtype=asked)
    assert precision.settle(run, device, str(tmp_path)) == shown
    assert run.precision == shown.split()[0]


def test_a_folder_of_an_earlier_version_goes_on_in_float32(make_run, data_dir, tmp_path):
    """Its run.json has T2T's default, which the training had."""
    run = make_run(activation_dtype="float32")
    run.take_vocabularies(tmp_path, data_dir)
    run.write(tmp_path, data_dir)
    # The same command.
    hparams, _ = read_hparams("transformer_tiny", "", output_dir=tmp_path)
    again = describe_run("echo", "transformer", hparams, "transformer_tiny", str(tmp_path))
    precision.settle(again, TPU, str(tmp_path))
    assert again.precision == "float32"


def test_the_flag_and_the_hparam_agree_or_fail(tmp_path):
    path = tmp_path / "hparams.json"
    path.write_text(json.dumps({"activation_dtype": "bfloat16"}))
    for given, how in [
        (("transformer_tiny",), {}),
        (("transformer_tiny", "activation_dtype=bfloat16"), {}),
        (("transformer_tiny", {"activation_dtype": "auto"}), {}),
        (("transformer_tiny", "", path), {}),
        (("", HParams(activation_dtype="bfloat16")), {}),
    ]:
        assert read_hparams(*given, **how, precision="bfloat16")[0].activation_dtype == "bfloat16"
    # A set isn't the user's own wish.
    own = "transformer_tpu_bf16_activation"
    hparams, changes = read_hparams(own, precision="float32")
    assert hparams.activation_dtype == "float32"
    assert changes == {"activation_dtype": "float32"}
    for given in [
        ("transformer_tiny", "activation_dtype=bfloat16"),
        ("transformer_tiny", "", path),
        ("", HParams(activation_dtype="bfloat16")),
    ]:
        with pytest.raises(HParamsError, match="precision=float32 contradicts the hparam activat"):
            read_hparams(*given, precision="float32")
    with pytest.raises(HParamsError, match="precision=float16 is not one of: auto, float32, bf"):
        read_hparams("transformer_tiny", precision="float16")


def test_a_file_of_t2t_leaves_the_precision_open(tmp_path):
    path = tmp_path / "hparams.json"
    for extra, expected in [({"weight_dtype": "float32"}, "auto"), ({}, "float32")]:
        path.write_text(json.dumps({"activation_dtype": "float32", **extra}))
        assert read_hparams("transformer_tiny", "", path)[0].activation_dtype == expected
    path.write_text(json.dumps({"activation_dtype": "bfloat16", "weight_dtype": "float32"}))
    assert read_hparams("transformer_tiny", "", path)[0].activation_dtype == "bfloat16"


def test_resuming_says_nothing_of_a_precision_that_stays(make_run, data_dir, tmp_path, caplog):
    caplog.set_level("INFO", "t2tlite")
    run = make_run(activation_dtype="bfloat16")
    run.take_vocabularies(tmp_path, data_dir)
    run.hparams_set = "transformer_tiny"
    run.write(tmp_path, data_dir)
    assert "activation_dtype" not in run_record.read(tmp_path).changed_hparams
    hparams, _ = read_hparams("transformer_tiny", output_dir=tmp_path)
    assert hparams.activation_dtype == "bfloat16"
    describe_run("echo", "transformer", hparams.assign({"activation_dtype": "auto"}), "", tmp_path)
    assert "activation_dtype" not in caplog.text


def test_evaluations_are_the_same_whatever_trains_and_evaluates(
    make_run, data_dir, tmp_path, said, warned, monkeypatch
):
    """One training in bfloat16; its own evaluations and a later one are in float32."""
    monkeypatch.setattr(Devices, "multiplies_bfloat16", False)
    output_dir = str(tmp_path)
    args = TrainArgs(train_steps=2, eval_frequency=2)
    device = Devices("tensorflow", "CPU", 1)
    metrics = train(make_run(activation_dtype="bfloat16"), data_dir, output_dir, args, device)
    assert "precision    bfloat16 products (float32 should be faster on this CPU)" in said()
    assert run_record.read(output_dir).precision == "bfloat16"
    for change in ("", "activation_dtype=float32"):
        run = recorded_run(output_dir, change)
        assert evaluate(run, data_dir, output_dir, args, device) == metrics
    assert warned == ["hparam activation_dtype has no effect: evaluation computes in float32"]
    # Warm start takes the weights of either precision.
    other = make_run(activation_dtype="float32")
    args = TrainArgs(train_steps=1, warm_start_from=output_dir)
    train(other, data_dir, str(tmp_path / "other"), args, device)
    assert run_record.read(tmp_path / "other").precision == "float32"
