"""From T2T's model folder to one that decodes and trains."""

import json

import numpy as np
import pytest

from t2tlite.checkpoint import checkpoints, tensor_files
from t2tlite.errors import CheckpointError, Error, HParamsError
from t2tlite.t2t_import.model_folder import read_hparams, recorded_flags, training_flags


def test_the_folder_decodes(write, variables, do_import, tmp_path):
    from t2tlite import Decoder

    imported = do_import(write(variables))
    assert imported.step == 700
    decoder = Decoder(tmp_path / "ours", decode_hparams="beam_size=2,extra_length=3")
    assert decoder.run.hparams["learning_rate_warmup_steps"] == 400
    shards = [variables[f"transformer/symbol_modality_258_4/shared/weights_{i}"] for i in range(16)]
    np.testing.assert_array_equal(decoder.network.softmax.weight_VD, np.concatenate(shards))
    assert len(decoder.n_best(["a"])[0]) == 2


def test_what_has_no_counterpart_is_listed(write, with_slots, do_import):
    imported = do_import(write(with_slots))
    assert imported.left == [
        "losses_avg/problem_0/total_loss []",
        "training/beta1_power []",
        "training/beta2_power []",
    ]
    assert imported.lines()[-1] == "no counterpart here: training/beta2_power []"


def test_adams_moments_are_imported(write, with_slots, do_import, tmp_path):
    assert "state of adam imported" in do_import(write(with_slots)).optimizer
    state = tensor_files.read_tensors(checkpoints.optimizer_path(tmp_path / "ours", 700))
    weights = tensor_files.read_tensors(checkpoints.weights_path(tmp_path / "ours", 700))
    assert state["adam/iteration"] == 700
    for path, value in weights.items():
        slot = f"adam/{path.replace('/', '_')}"
        np.testing.assert_array_equal(state[f"{slot}_momentum"], value * np.float32(0.5))
        np.testing.assert_array_equal(state[f"{slot}_velocity"], value**2)


def test_one_missing_moment_resets_all(write, with_slots, do_import, tmp_path):
    del with_slots["training/transformer/symbol_modality_258_4/shared/weights_7/Adam_1"]
    imported = do_import(write(with_slots))
    assert "moments not imported" in imported.optimizer
    assert "no velocities of symbol_modality_258_4/shared/weights_" in imported.optimizer
    state = tensor_files.read_tensors(checkpoints.optimizer_path(tmp_path / "ours", 700))
    assert state["adam/iteration"] == 700
    moments = [value for name, value in state.items() if name.endswith(("momentum", "velocity"))]
    assert moments
    assert not any(value.any() for value in moments)


def test_sharing_is_read_from_the_checkpoint(write, variables, do_import, tmp_path):
    """T2T doesn't share tables if the vocabularies differ, whatever the hparam."""
    scope = "transformer/symbol_modality_258_4"
    for i in range(16):
        shard = variables.pop(f"{scope}/shared/weights_{i}")
        variables[f"{scope}/target_emb/weights_{i}"] = shard
        variables[f"{scope}/softmax/weights_{i}"] = -shard
    do_import(write(variables))
    recorded = json.loads((tmp_path / "ours/run.json").read_text())
    assert recorded["hparams"]["shared_embedding_and_softmax_weights"] is False
    # Decoding needs no plugin, as with a model that was trained here.
    assert recorded["needs_plugin"] == []
    assert recorded["description"]["features"]["targets"]["encoder"] == {"kind": "bytes"}
    assert (tmp_path / "ours/README.md").exists()
    weights = tensor_files.read_tensors(checkpoints.weights_path(tmp_path / "ours", 700))
    embedding, softmax = (
        weights[f"transformer/{one}/embedding"] for one in ("target_embedding", "softmax")
    )
    np.testing.assert_array_equal(embedding, -softmax)


def test_moving_averages_start_at_the_weights(write, variables, do_import, tmp_path):
    do_import(write(variables), "ema_decay=0.9")
    state = tensor_files.read_tensors(checkpoints.optimizer_path(tmp_path / "ours", 700))
    weights = tensor_files.read_tensors(checkpoints.weights_path(tmp_path / "ours", 700))
    for path, value in weights.items():
        np.testing.assert_array_equal(state[f"trained/{path}"], value)


def test_a_model_is_never_overwritten(write, variables, do_import):
    folder = write(variables)
    do_import(folder)
    with pytest.raises(CheckpointError, match="holds a model already; choose a new --output_dir"):
        do_import(folder)


def test_a_failed_import_leaves_nothing(write, variables, do_import, tmp_path):
    with pytest.raises(Error):
        do_import(write(variables), "num_hidden_layers=2")
    assert not (tmp_path / "ours").exists()


def test_an_encoder_beside_one_sequence_is_refused(write, variables, do_import, tmp_path):
    message = "T2T trains beside prepend_mode=prepend_inputs_masked_attention"
    theirs = {**variables, "transformer/body/encoder/layer_0/ffn/conv1/bias": np.zeros(3)}
    with pytest.raises(CheckpointError, match=message):
        do_import(write(theirs), "prepend_mode=prepend_inputs_masked_attention")
    assert not (tmp_path / "ours").exists()


def test_hparams(tmp_path, warned):
    values = {"hidden_size": 8, "optimizer": "TrueAdam", "shared_embedding_and_softmax_weights": 1}
    values |= {"data_dir": "x", "loss": {}, "theirs": 3, "learning_rate_minimum": None}
    (tmp_path / "hparams.json").write_text(json.dumps(values))
    hparams = read_hparams(tmp_path / "model.ckpt-5", overrides="filter_size=16,theirs=4")
    assert (hparams.hidden_size, hparams.filter_size, hparams.theirs) == (8, 16, 4)
    assert hparams.optimizer == "true_adam"
    assert hparams.shared_embedding_and_softmax_weights is True
    # Early T2T versions have no schedules by factors.
    assert hparams.learning_rate_schedule == "legacy"
    assert warned == ["unknown hparams are imported without effect: {'theirs': 3}"]


def test_hparams_of_early_versions(tmp_path, warned):
    """A Transformer's hparams.json as T2T 1.2 to 1.12 wrote it, as differences from 1.15."""
    values = {"moe_loss_coef": 0.01, "moe_num_experts": 64, "optimizer": "Adam", "pos": "timing"}
    values |= {
        "ffn_layer": "conv_hidden_relu",
        "num_hidden_layers": 4,
        "input_modalities": "default",
    }
    values |= {"target_modality": "default", "modality": {}, "problem_choice": "adaptive"}
    values |= {"symbol_modality_skip_top": False, "num_sampled_classes": 0}
    values |= {"tpu_batch_size_per_shard": 24, "attention_loss_type": "kl_divergence"}
    (tmp_path / "hparams.json").write_text(json.dumps(values))
    hparams = read_hparams(tmp_path).check()
    assert (hparams.num_hidden_layers, hparams.optimizer) == (4, "adam")
    assert (hparams.moe_num_experts, hparams.moe_loss_coef) == (64, 0.01)
    [line] = warned
    assert line.startswith("unknown hparams are imported without effect: {'problem_choice'")


def test_an_unsupported_hparam(tmp_path):
    (tmp_path / "hparams.json").write_text('{"ffn_layer": "conv_relu_conv"}')
    with pytest.raises(HParamsError, match="ffn_layer=conv_relu_conv is not supported"):
        read_hparams(tmp_path)
    overridden = read_hparams(tmp_path, overrides="ffn_layer=dense_relu_dense")
    assert overridden.ffn_layer == "dense_relu_dense"


def test_hparams_by_flags(tmp_path, own_names):
    with pytest.raises(HParamsError, match=r"hparams.json doesn't exist; give --hparams_set"):
        read_hparams(tmp_path)
    hparams = read_hparams(tmp_path, "transformer_tiny", "num_heads=2")
    assert (hparams.hidden_size, hparams.num_heads) == (128, 2)


@pytest.mark.parametrize("text", ["{", "3", "[1]"])
def test_damaged_hparams(tmp_path, text):
    (tmp_path / "hparams.json").write_text(text)
    with pytest.raises(HParamsError, match=r"hparams.json is damaged"):
        read_hparams(tmp_path)


def test_recorded_flags(tmp_path):
    assert recorded_flags(tmp_path) == {}
    (tmp_path / "flags.txt").write_text("--problems=first\n--model=None\n--data_dir=d\n--t2t=\n")
    expected = {"problem": "first", "problems": "first", "data_dir": "d"}
    assert recorded_flags(tmp_path) == expected
    (tmp_path / "flags_t2t.txt").write_text("--problem=second\n--hparams=a=1,b=2\n")
    flags = recorded_flags(tmp_path / "model.ckpt-5")
    assert (flags["problem"], flags["hparams"]) == ("second", "a=1,b=2")


@pytest.mark.parametrize("flag", ["problem", "problems", "model", "hparams_set"])
def test_recorded_names_that_lead_out_of_the_folder(tmp_path, flag):
    (tmp_path / "flags.txt").write_text(f"--{flag}=../../up\n")
    with pytest.raises(CheckpointError, match="flags.txt: '../../up' isn't a plain file name"):
        recorded_flags(tmp_path)


@pytest.mark.parametrize("hparams_set", ["transformer_tiny", "transformer_base", "nobodys", ""])
def test_flags_to_train_on(letters, hparams_set):
    from t2tlite import registry
    from t2tlite.checkpoint.run_record import RunRecord

    hparams = registry.hparams("transformer_tiny").override("num_heads=2,pos=none")
    hparams.add_hparam("theirs", 1)
    flags = training_flags(RunRecord.describe(letters, "transformer", hparams, []), hparams_set)
    given = dict(flag.removeprefix("--").split("=", 1) for flag in flags.split(" "))
    assert (given["problem"], given["model"]) == (letters, "transformer")
    again = registry.hparams(given["hparams_set"]).override(given["hparams"].strip('"'))
    del hparams.extra["theirs"]
    assert again == hparams
    assert given["hparams_set"] in (hparams_set, "transformer_base")


def test_another_optimizer_is_not_imported(write, with_slots, do_import):
    imported = do_import(write(with_slots), "optimizer=adafactor")
    assert "only Adam's are imported, not those of adafactor" in imported.optimizer
    assert len([one for one in imported.left if one.startswith("training/transformer/")]) == 60
