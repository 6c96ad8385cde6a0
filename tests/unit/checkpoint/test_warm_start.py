"""Warm start: weights that fit are copied, tokens keep their vectors, the rest is reported."""

import numpy as np
import pytest

from t2tlite import registry
from t2tlite.checkpoint import checkpoints, tensor_files
from t2tlite.checkpoint import warm_start as warm_start_module
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.checkpoint.warm_start import VocabularyChange, warm_start
from t2tlite.config import HParams
from t2tlite.errors import CheckpointError, VocabularyError
from t2tlite.text import TokenTextEncoder
from t2tlite.text_problems import Text2ClassProblem, Text2TextProblem, VocabType

pytestmark = pytest.mark.usefixtures("own_names")

TINY = {"hidden_size": 8, "num_heads": 2, "filter_size": 16, "num_hidden_layers": 1}
TABLE = "transformer/target_embedding/embedding"


class Words(Text2TextProblem):
    vocab_type = VocabType.TOKEN


class Mood(Text2ClassProblem):
    vocab_type = VocabType.CHARACTER
    labels = ("glad", "sad")
    num_classes = property(lambda self: len(self.labels))

    def class_labels(self, data_dir):
        return list(self.labels)


class Model:
    """A model folder with new weights and a vocabulary of these tokens."""

    def __init__(self, folder, tokens="", name="words", model="transformer", **hparams):
        folder.mkdir()
        if tokens:
            words = ["<pad>", "<EOS>", *tokens.split()]
            filename = registry.problem(name).vocab_filename
            (folder / filename).write_text("".join(f"{word}\n" for word in words))
        self.folder, self.hparams = folder, HParams(**TINY, **hparams)
        run = RunRecord.describe(name, model, self.hparams, [])
        run.take_vocabularies(folder, folder)
        run.write(folder, folder)
        self.problem_hparams = registry.problem(name).get_hparams(self.hparams, str(folder))
        self.model = run.make_model(self.problem_hparams)
        checkpoints.write_weights(folder, 3, checkpoints.weights(self.model))

    def weights(self):
        return checkpoints.weights(self.model)

    def starts_from(self, source):
        return warm_start(self.model, str(source), self.hparams, self.problem_hparams)


@pytest.fixture(autouse=True)
def problems(own_names):
    registry.register_problem("words")(Words)
    registry.register_problem("mood")(Mood)


def test_the_newest_checkpoint_of_a_folder(tmp_path):
    old, new = Model(tmp_path / "old", "a b"), Model(tmp_path / "new", "a b")
    count, path = len(new.model.weights), checkpoints.weights_path(old.folder, 3)
    assert new.starts_from(old.folder) == f"{count} of {count} weights from {path}"
    for name, value in old.weights().items():
        assert (new.weights()[name] == value).all()


@pytest.mark.parametrize("divisor", [1, 8])
def test_tokens_keep_their_vectors(tmp_path, divisor):
    old = Model(tmp_path / "old", "a b c", vocab_divisor=divisor)
    new = Model(tmp_path / "new", "c new a", vocab_divisor=divisor)
    before = new.weights()
    summary = new.starts_from(old.folder)
    count = len(new.model.weights)
    assert summary.startswith(f"{count} of {count} weights from ")
    assert "; 4 of 5 tokens of the inputs are known there; 4 of 5 tokens of the targets" in summary
    weights, old_weights = new.weights(), old.weights()
    assert (weights[TABLE][[0, 1, 2, 4]] == old_weights[TABLE][[0, 1, 4, 2]]).all()
    assert (weights[TABLE][3] == before[TABLE][3]).all()
    for name in set(weights) - {TABLE}:
        assert (weights[name] == old_weights[name]).all(), name


def test_a_vocabulary_as_large_as_a_layer_moves_no_other_weight(tmp_path):
    old, new = Model(tmp_path / "old", "a b c d e f"), Model(tmp_path / "new", "f e d c b a")
    assert len(old.weights()[TABLE]) == TINY["hidden_size"]
    new.starts_from(old.folder)
    weights, old_weights = new.weights(), old.weights()
    assert (weights[TABLE] == old_weights[TABLE][[0, 1, 7, 6, 5, 4, 3, 2]]).all()
    for name in set(weights) - {TABLE}:
        assert (weights[name] == old_weights[name]).all(), name


def test_labels_keep_their_columns(tmp_path, monkeypatch):
    old = Model(tmp_path / "old", name="mood", model="transformer_encoder")
    monkeypatch.setattr(Mood, "labels", ("none", "sad", "glad"))
    new = Model(tmp_path / "new", name="mood", model="transformer_encoder")
    before = new.weights()
    summary = new.starts_from(old.folder)
    assert "2 of 3 tokens of the targets are known there" in summary
    kernel, old_weights = new.weights()["transformer/classes/kernel"], old.weights()
    assert (kernel[:, [2, 1]] == old_weights["transformer/classes/kernel"]).all()
    assert (kernel[:, 0] == before["transformer/classes/kernel"][:, 0]).all()
    assert (new.weights()["transformer/classes/bias"][[2, 1]] == 0).all()


def test_other_labels_are_another_model(tmp_path, monkeypatch):
    old = Model(tmp_path / "old", name="mood", model="transformer_encoder")
    monkeypatch.setattr(Mood, "labels", ("sad", "glad"))
    run = RunRecord.describe("mood", "transformer_encoder", old.hparams, [])
    with pytest.raises(VocabularyError, match="labels glad, sad, and --problem=mood has sad, glad"):
        run.take_vocabularies(old.folder, old.folder)


class Pairs(Text2TextProblem):
    """Inputs and targets with vocabularies of one size."""

    inputs, targets = "abc", "xyz"

    def feature_encoders(self, data_dir):
        sides = {"inputs": self.inputs, "targets": self.targets}
        return {name: TokenTextEncoder(None, vocab_list=list(side)) for name, side in sides.items()}


@pytest.mark.parametrize("shared", [False, True])
def test_one_vocabulary_of_two_has_changed(tmp_path, monkeypatch, warned, shared):
    registry.register_problem("pairs")(Pairs)
    sharing = {"shared_embedding_and_softmax_weights": shared}
    old = Model(tmp_path / "old", name="pairs", **sharing)
    monkeypatch.setattr(warm_start_module, "_old_encoders", lambda *_: Pairs().feature_encoders(""))
    new = Model(tmp_path / "new", name="pairs", **sharing)
    changed = type("Changed", (Pairs,), {"inputs": "cba"})()
    new.problem_hparams.vocabulary = changed.feature_encoders("")
    new.starts_from(old.folder)
    weights, old_weights = new.weights(), old.weights()
    for name, value in old_weights.items():
        rows = [0, 1, 4, 3, 2] if "input_embedding" in name else slice(None)
        assert (weights[name] == value[rows]).all(), name
    assert len(warned) == shared
    if shared:
        assert warned[0].startswith("inputs and targets share an embedding")


def test_a_weight_of_a_plugins_own_name():
    change = VocabularyChange(np.array([0, 1, 3, 2]), {4}, {4}, is_same=False)
    assert change.token_axis("variable", (4,), (4,)) is None


def test_a_class_that_names_another_file_now(tmp_path, monkeypatch):
    old = Model(tmp_path / "old", "a b")
    monkeypatch.setattr(Words, "vocab_filename", "vocab.new.tokens")
    new = Model(tmp_path / "new", "b a x")
    summary = new.starts_from(old.folder)
    assert "4 of 5 tokens of the targets" in summary
    assert (new.weights()[TABLE][[3, 2]] == old.weights()[TABLE][[2, 3]]).all()


def test_a_weights_file_without_a_run_record(tmp_path, warned):
    old = Model(tmp_path / "old", "a b")
    path = checkpoints.weights_path(tmp_path, 1)
    tensor_files.write_tensors(path, {**old.weights(), "other": np.zeros(3)}, {})
    new = Model(tmp_path / "new", "a b c", num_encoder_layers=2)
    summary = new.starts_from(path)
    assert summary.startswith(
        f"{len(old.model.weights) - 1} of {len(new.model.weights)} weights from"
    )
    left, unused = summary.split("; ")[1:]
    assert all(one == TABLE or "encoder/layer_1" in one for one in left[5:].split(", "))
    assert TABLE in left
    assert unused == f"not used: other, {TABLE}"
    [line] = warned
    assert line.startswith(f"the vocabulary of {tmp_path} isn't known")


def test_nothing_fits(tmp_path):
    new = Model(tmp_path / "new", "a b")
    checkpoints.write_weights(tmp_path, 3, {"other": np.zeros(3, "float32")})
    with pytest.raises(CheckpointError, match="has no weight that fits this model"):
        new.starts_from(tmp_path)


def test_a_source_that_is_no_checkpoint(tmp_path):
    new = Model(tmp_path / "new", "a b")
    # T2T's names have no ending.
    assert "weights from" in new.starts_from(tmp_path / "new" / "model.ckpt-3")
    for name in ("nothing", "new/run.json", "nothing.safetensors"):
        with pytest.raises(CheckpointError, match=f"=.*{name} is no checkpoint; give a model fold"):
            new.starts_from(tmp_path / name)
