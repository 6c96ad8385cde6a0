"""Small models that T2T's own code built: each form of its Transformer, imported, gives its logits.

The files hold what T2T 1.15.7's graph computed from `transformer_tiny` with the hparams they name,
run on the TF1 layer of TensorFlow 2.21, every weight moved away from its initial value: all
variables ("checkpoint:NAME"), ids, logits in evaluation mode; and where its optimizer had run three
steps at rate 0.01 also the gradients of the next step and the weights after it.
"""

from pathlib import Path

import numpy as np
import pytest

from t2tlite.config import HParams, ProblemHParams

FOLDER = Path(__file__).parent / "t2t"
FORMS = sorted(path.stem for path in FOLDER.glob("*.npz"))


def arrays(form, kind):
    with np.load(FOLDER / f"{form}.npz") as file:
        names = [name for name in file if name.startswith(f"{kind}:")]
        return {name.removeprefix(f"{kind}:"): file[name] for name in names}


def write(folder, variables, step):
    """Writes a TF1 checkpoint."""
    import tensorflow as tf

    tf.raw_ops.SaveV2(
        prefix=f"{folder}/model.ckpt-{step}",
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=list(variables.values()),
    )


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


@pytest.fixture
def make(form, tmp_path):
    """A function that makes a model with the weights of one kind; returns it and the checkpoint."""
    from t2tlite import registry
    from t2tlite.model.protocol import build
    from t2tlite.t2t_import.checkpoints import take_weights
    from t2tlite.t2t_import.tf1_checkpoint import Checkpoint

    with np.load(FOLDER / f"{form}.npz") as file:
        assignments, model = str(file["hparams"]), str(file["model"])
    sizes = {name: int(size) for name, size in arrays(form, "vocab_size").items()}
    modality = dict.fromkeys(sizes, "symbol")
    if model == "transformer_encoder":
        modality["targets"] = "class_label"

    def make(kind):
        (folder := tmp_path / kind).mkdir()
        write(folder, arrays(form, kind), 3)
        checkpoint = Checkpoint(folder)
        hparams = registry.hparams("transformer_tiny").override(assignments)
        hparams.learning_rate_schedule = "constant"
        hparams.learning_rate_constant = 0.01
        hparams.shared_embedding_and_softmax_weights = checkpoint.shares_embeddings
        problem_hparams = ProblemHParams(vocab_size=sizes, modality=modality)
        made = registry.model(model)(HParams.from_values(hparams.values()), problem_hparams)
        build(made, problem_hparams)
        take_weights(made, checkpoint)
        return made, checkpoint

    return make


def test_all_forms_are_here():
    assert len(FORMS) == 7


def test_logits(form, make):
    with np.load(FOLDER / f"{form}.npz") as file:
        features = {name: file[name] for name in ("inputs", "targets") if name in file}
        expected = file["logits"]
    network, _ = make("checkpoint")
    found = np.asarray(network(features))
    expected = expected.reshape(*found.shape[:2], -1)
    # T2T keeps logits of rows that only fill its vocabulary up; here they are masked.
    tokens = network.vocab_size["targets"]
    kept = features["targets"] != 0
    if form == "classifier":
        kept = np.ones_like(kept)
    difference = np.abs(found - expected)[kept][:, :tokens]
    assert difference.max() < 1e-5
    assert np.ptp(expected) > 1


@pytest.mark.parametrize("form", ["true_adam", "multistep_adam"], indirect=True)
def test_the_next_training_step_is_t2ts(make):
    from t2tlite.optimizers.optimizers import make_optimizer
    from t2tlite.t2t_import.checkpoints import take_optimizer

    network, checkpoint = make("checkpoint")
    gradients, _ = make("gradient")
    after, _ = make("after")
    optimizer = make_optimizer(network.hparams, train_steps=10)
    optimizer.build(network.trainable_variables)
    assert take_optimizer(network, optimizer, checkpoint) == ""
    before = [np.array(one) for one in network.weights]
    optimizer.apply([one.value for one in gradients.weights], network.trainable_variables)
    for weight, old, expected in zip(network.weights, before, after.weights, strict=True):
        np.testing.assert_allclose(weight.numpy(), expected.numpy(), atol=2e-7)
        assert np.abs(weight.numpy() - old).max() > 1e-4
