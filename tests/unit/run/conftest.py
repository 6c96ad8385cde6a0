"""Small models for the tests of training."""

import keras
import numpy as np
import pytest

from t2tlite.config import HParams, ProblemHParams
from t2tlite.model.transformer import Transformer
from t2tlite.run.objective import make_optimizer

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
