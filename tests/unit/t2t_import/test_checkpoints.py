"""Finding checkpoints, and errors of those that don't fit."""

import numpy as np
import pytest

from t2tlite.errors import CheckpointError
from t2tlite.t2t_import.tf1_checkpoint import Checkpoint, find

Q = "transformer/body/decoder/layer_0/self_attention/multihead_attention/q/kernel"


def test_find_the_newest(write, variables):
    for step in (900, 1000, 20):
        folder = write(variables, step)
    assert find(folder).name == "model.ckpt-1000"
    # T2T's list may have paths of another machine.
    (folder / "checkpoint").write_text('model_checkpoint_path: "/far/away/model.ckpt-20"\n')
    assert find(folder).name == "model.ckpt-20"
    (folder / "checkpoint").write_text('model_checkpoint_path: "/far/away/model.ckpt-21"\n')
    assert find(folder).name == "model.ckpt-1000"


@pytest.mark.parametrize("ending", ["", ".index", ".meta", ".data-00000-of-00001"])
def test_one_of_several(write, variables, ending):
    folder = write(variables, 20)
    write(variables, 30)
    assert find(f"{folder}/model.ckpt-20{ending}") == folder / "model.ckpt-20"


def test_there_is_none(tmp_path):
    with pytest.raises(CheckpointError, match="no file there ends in .index"):
        find(tmp_path)
    with pytest.raises(CheckpointError, match="model.ckpt-3.index doesn't exist"):
        find(tmp_path / "model.ckpt-3")


def test_the_step_is_in_the_checkpoint_or_its_name(write, variables):
    assert Checkpoint(write(variables, 5)).step == 700
    del variables["global_step"]
    assert Checkpoint(write(variables, 6)).step == 6


@pytest.mark.parametrize(
    ("part", "bytes_kept"), [("index", 10), ("index", 0), ("data-00000-of-00001", 0)]
)
def test_a_damaged_file(write, variables, do_import, part, bytes_kept):
    folder = write(variables)
    path = folder / f"model.ckpt-700.{part}"
    path.write_bytes(path.read_bytes()[:bytes_kept])
    with pytest.raises(CheckpointError, match="model.ckpt-700 is damaged") as caught:
        do_import(folder)
    assert "\n" not in str(caught.value)


def test_data_without_a_file(write, variables, do_import):
    folder = write(variables)
    (folder / "model.ckpt-700.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match="model.ckpt-700 is damaged"):
        do_import(folder)


def test_not_a_t2t_checkpoint(write):
    with pytest.raises(
        CheckpointError, match="isn't a T2T checkpoint of one model: among its 1 var"
    ):
        Checkpoint(write({"dense/kernel": np.zeros(3, np.float32)}))


def test_missing_weights(write, variables, do_import):
    del variables[Q], variables[Q.replace("/q/", "/k/")]
    with pytest.raises(CheckpointError, match=f"it lacks {Q} and 1 more; check --model"):
        do_import(write(variables))


def test_unknown_weights(write, variables, do_import):
    for name in ("one", "two", "three"):
        variables[f"transformer/body/{name}/kernel"] = np.zeros(3, np.float32)
    message = "it has transformer/body/one/kernel and 2 more, unknown here"
    with pytest.raises(CheckpointError, match=message):
        do_import(write(variables))


def test_relative_positions(write, variables, do_import):
    scope = f"{Q.removesuffix('/q/kernel')}/dot_product_attention_relative/relative_positions"
    for name in ("keys", "values"):
        variables[f"{scope}_{name}/embeddings"] = np.ones((7, 2), np.float32)
    relative = "self_attention_type=dot_product_relative,max_relative_position"
    assert do_import(write(variables), f"{relative}=3").weights == 17


def test_a_missing_shard(write, variables, do_import):
    del variables["transformer/symbol_modality_258_4/shared/weights_7"]
    with pytest.raises(CheckpointError, match=r"shape \[242, 4\], the model needs \[258, 4\]"):
        do_import(write(variables))


def test_another_width(write, variables, do_import):
    with pytest.raises(CheckpointError, match="conv1/kernel has shape"):
        do_import(write(variables), "filter_size=16")


def test_another_vocabulary(write, do_import):
    from tests.unit.t2t_import.conftest import t2t_variables

    message = "vocabulary of 300 entries, the problem's has 258; give the --data_dir"
    with pytest.raises(CheckpointError, match=message):
        do_import(write(t2t_variables(vocab_size=300)))


def test_a_padded_vocabulary(write, do_import):
    from tests.unit.t2t_import.conftest import t2t_variables

    folder = write(t2t_variables(vocab_size=300))
    assert do_import(folder, "vocab_divisor=100").step == 700


def test_another_model(write, variables, do_import, own_names):
    import keras

    from t2tlite import registry

    @registry.register_model
    class TheirOwn(keras.Model):
        def __init__(self, hparams, problem_hparams):
            super().__init__()

        def call(self, features, training=False):
            return features["targets"]

    with pytest.raises(CheckpointError, match="of model their_own can't be imported"):
        do_import(write(variables), model="their_own")
