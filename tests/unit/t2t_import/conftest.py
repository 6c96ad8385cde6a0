"""A T2T model folder: the language model of a problem with a byte vocabulary."""

import json

import numpy as np
import pytest

from t2tlite import registry, text_problems

HPARAMS = {
    **{"hidden_size": 4, "num_heads": 2, "filter_size": 8, "num_hidden_layers": 1},
    **{"optimizer": "Adam", "learning_rate_warmup_steps": 400, "model_dir": "model", "bottom": {}},
}
LAYER = "transformer/body/decoder/layer_0"


def t2t_variables(vocab_size=258, shards=16):
    """Returns the variables of a T2T checkpoint with random values, by name."""
    rng = np.random.default_rng(0)
    sizes = {f"{LAYER}/ffn/conv1/kernel": (4, 8), f"{LAYER}/ffn/conv1/bias": (8,)}
    sizes |= {f"{LAYER}/ffn/conv2/kernel": (8, 4), f"{LAYER}/ffn/conv2/bias": (4,)}
    for name in ("q", "k", "v", "output_transform"):
        sizes[f"{LAYER}/self_attention/multihead_attention/{name}/kernel"] = (4, 4)
    for scope in (f"{LAYER}/self_attention", f"{LAYER}/ffn", "transformer/body/decoder"):
        for name in ("scale", "bias"):
            sizes[f"{scope}/layer_prepostprocess/layer_norm/layer_norm_{name}"] = (4,)
    for i in range(shards):
        rows = vocab_size // shards + (i < vocab_size % shards)
        sizes[f"transformer/symbol_modality_{vocab_size}_4/shared/weights_{i}"] = (rows, 4)
    values = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    values["losses_avg/problem_0/total_loss"] = np.float32(1.5)
    values["global_step"] = np.int64(700)
    return values


@pytest.fixture
def variables():
    return t2t_variables()


@pytest.fixture
def with_slots(variables):
    """The variables with the slots of Adam in TF1."""
    slots = {}
    for name, value in variables.items():
        if name.startswith("transformer/"):
            slots[f"training/{name}/Adam"] = value * 0.5
            slots[f"training/{name}/Adam_1"] = value**2
    powers = {"training/beta1_power": np.float32(0.1), "training/beta2_power": np.float32(0.2)}
    return {**variables, **slots, **powers}


@pytest.fixture
def write(tmp_path):
    """A function that writes a T2T checkpoint with hparams.json and returns its folder."""

    def write(variables, step=700, hparams=HPARAMS, folder=tmp_path / "theirs"):
        import tensorflow as tf

        folder.mkdir(exist_ok=True)
        tf.raw_ops.SaveV2(
            prefix=f"{folder}/model.ckpt-{step}",
            tensor_names=list(variables),
            shape_and_slices=[""] * len(variables),
            tensors=list(variables.values()),
        )
        (folder / "hparams.json").write_text(json.dumps(hparams))
        return folder

    return write


@pytest.fixture
def letters(own_names):
    """The name of the problem."""

    @registry.register_problem
    class ImportedLetters(text_problems.Text2SelfProblem):
        vocab_type = text_problems.VocabType.CHARACTER

        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            yield {"targets": "abc"}

    return "imported_letters"


@pytest.fixture
def do_import(letters, tmp_path):
    """A function that imports a folder into `ours`; returns the report."""
    from t2tlite.checkpoint.run_record import RunRecord
    from t2tlite.t2t_import import model_folder
    from t2tlite.t2t_import.tf1_checkpoint import Checkpoint

    def do_import(source, overrides="", model="transformer"):
        hparams = model_folder.read_hparams(source, overrides=overrides)
        run = RunRecord.describe(letters, model, hparams, [])
        return model_folder.import_checkpoint(
            Checkpoint(source), run, str(tmp_path), str(tmp_path / "ours")
        )

    return do_import
