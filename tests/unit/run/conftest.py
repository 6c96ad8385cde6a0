"""Small models for the tests of training and decoding."""

import keras
import numpy as np
import pytest

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.model.transformer import Transformer
from t2tlite.run import checkpoints
from t2tlite.run.decoding import Decoder
from t2tlite.run.objective import make_optimizer
from t2tlite.run.record import Run
from t2tlite.text_problems import Text2ClassProblem, Text2SelfProblem, VocabType

TINY = {"hidden_size": 8, "num_heads": 2, "filter_size": 16, "num_hidden_layers": 1}


@pytest.fixture
def make_model():
    """A function that makes a model and its built optimizer, with weights by seed."""

    def make(seed=0, features=("targets",), **values):
        keras.utils.set_random_seed(seed)
        sizes = ProblemHParams(dict.fromkeys(features, 11))
        model = Transformer(HParams(**{**TINY, **values}), sizes)
        model({name: np.ones((1, 3), np.int32) for name in features})
        optimizer = make_optimizer(model.hparams, train_steps=10)
        optimizer.build(model.trainable_variables)
        return model, optimizer

    return make


@pytest.fixture
def new_decoder(tmp_path, monkeypatch):
    """A function that writes the folder of a model with new weights and returns a Decoder."""

    def make(problem, name="transformer", how="", make_vocabulary=lambda folder: None):
        keras.utils.set_random_seed(5)
        monkeypatch.setattr(registry, "problem", lambda _: problem())
        folder = tmp_path / "model"
        folder.mkdir()
        make_vocabulary(folder)
        run = Run.describe(problem().name, name, HParams(**TINY), [])
        run.take_vocabularies(folder, folder)
        run.write(folder, folder)
        network = run.make_model(problem().get_hparams(HParams(**TINY), str(folder)))
        weights = {one.path: np.asarray(one) * 3 for one in network.weights}
        checkpoints.write_weights(folder, 1, weights)
        return Decoder(folder, decode_hparams=how)

    return make


class Mood(Text2ClassProblem):
    """A classifier's problem; the number of its second label is that of EOS."""

    vocab_type = VocabType.CHARACTER
    num_classes = 3

    def class_labels(self, data_dir):
        return ["glad", "sad", "none"]


class Letters(Text2SelfProblem):
    """A language model's problem."""

    vocab_type = VocabType.CHARACTER


@pytest.fixture
def classifier(new_decoder):
    """A Decoder of a classifier."""
    return new_decoder(Mood, "transformer_encoder")


@pytest.fixture
def language_model(new_decoder):
    """A Decoder of a language model."""
    return new_decoder(Letters, how="beam_size=1,extra_length=8")
