"""t2t-tpu-check compiles for a TPU with the TPU's own compiler, without a TPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax", reason="compiling for a TPU needs jax: pip install t2tlite[tpu]")
pytest.importorskip("libtpu", reason="compiling for a TPU needs libtpu: pip install t2tlite[tpu]")

COMMAND = Path(__file__).resolve().parents[2] / "bin" / "t2t-tpu-check"
SMALLEST = (
    "hidden_size=8,filter_size=16,num_heads=2,num_hidden_layers=1,batch_size=128,max_length=16,"
    "attention_dropout=0,relu_dropout=0,layer_prepostprocess_dropout=0"
)
DYNAMIC = '''
import keras
from keras import ops

from t2tlite import registry
from t2tlite.model.transformer import Transformer


class Picky(keras.layers.Layer):
    """The length of its result depends on the data."""

    def call(self, ids):
        return ops.nonzero(ids)[0]


@registry.register_model
class PickyTransformer(Transformer):
    def make_layers(self, hparams, problem_hparams):
        super().make_layers(hparams, problem_hparams)
        self.picky = Picky(name="picky")

    def hidden(self, features, training=False):
        count = ops.shape(self.picky(features["targets"]))[0]
        return super().hidden(features, training) * ops.cast(count > 0, "float32")
'''


@pytest.fixture
def check(digits):
    """A function that runs the command and returns its status and lines of standard error."""

    def run(*flags, hparams=SMALLEST):
        arguments = [
            f"--data_dir={digits}",
            "--problem=reverse_digits",
            "--hparams_set=transformer_tiny",
            f"--hparams={hparams}",
            *flags,
        ]
        done = subprocess.run(
            [sys.executable, COMMAND, *arguments],
            capture_output=True,
            text=True,
            timeout=600,
            # The command must set the backend itself.
            env={name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"},
        )
        assert done.stdout == ""
        return done.returncode, done.stderr.splitlines()

    return run


@pytest.mark.slow
@pytest.mark.long
def test_the_smallest_model_compiles(check):
    status, lines = check("--model=transformer", "--nosearch_batch_size")
    text = "\n".join(lines)
    assert status == 0, text
    for step in ("training", "evaluation", "decoding, greedy", "decoding, beam of 4"):
        (row,) = [line for line in lines if line.startswith(f"{step}  ")]
        assert "%" in row
    (training,) = [line for line in lines if line.startswith("training  ")]
    assert "8 x 128" in training
    # Products are more than half of the operations: the share is 64 %.
    assert int(training.split("%")[-2].split()[-1]) > 50
    (all_reduce,) = [line for line in lines if line.startswith("all-reduce")]
    assert int(all_reduce.split()[1]) > 0
    assert any("num_heads=1" in line or "hidden_size=128" in line for line in lines), text


@pytest.mark.slow
@pytest.mark.long
def test_a_dynamic_shape_is_an_error_that_names_the_layer(check, tmp_path):
    plugin = tmp_path / "picky_plugin"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(DYNAMIC)
    status, lines = check(f"--t2t_usr_dir={plugin}", "--model=picky_transformer")
    assert status == 1
    assert "Traceback" not in "\n".join(lines)
    assert lines[-1].startswith("t2t-tpu-check: training: layer transformer/picky (Picky, ")
    assert f"{plugin / '__init__.py'}:13) needs a value" in lines[-1]


@pytest.mark.parametrize("name", ["v9:2x4", "v5e:3x9", "v5e"])
def test_a_topology_that_does_not_exist(check, name):
    status, lines = check("--model=transformer", f"--topology={name}")
    assert status == 1
    assert lines[-1].startswith(f"t2t-tpu-check: --topology={name}: ")
    assert lines[-1].endswith("v5e:2x4, v6e:2x4, v4:2x2x1 or v5p:2x2x1")
