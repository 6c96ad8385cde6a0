"""A model gives the same logits on TensorFlow and on JAX."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import FAST_COMPILATION
from tests.unit.model import test_lstm, test_transformer

MODELS = {
    **{
        name: lambda name=name: test_transformer.make(**test_transformer.VARIANTS[name])
        for name in ("base", "relative", "universal", "adaptive")
    },
    **{name: lambda name=name: test_lstm.make(name) for name in ("luong", "bahdanau")},
}
CLOSE = {"rtol": 1e-4, "atol": 5e-5}

OTHER = """
import numpy, keras
from tests.unit.model import test_backends as tests
assert keras.backend.backend() == {backend!r}
for name, make in tests.MODELS.items():
    model = make()
    saved = numpy.load({folder!r} + f"/{{name}}.npz")
    for weight in model.weights:
        weight.assign(saved[weight.path])
    numpy.save({folder!r} + f"/{{name}}.npy", tests.logits(model))
"""


def logits(model):
    rng = np.random.default_rng(3)
    features = {name: rng.integers(2, 13, (2, 5)).astype(np.int32) for name in model.vocab_size}
    return np.array(model(features))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with all logits of the other backend, and ours by name."""
    folder, ours = tmp_path_factory.mktemp("logits"), {}
    for name, make in MODELS.items():
        model = make()
        np.savez(folder / f"{name}.npz", **{one.path: one.numpy() for one in model.weights})
        ours[name] = logits(model)
    backend = {"tensorflow": "jax", "jax": "tensorflow"}[keras.backend.backend()]
    done = subprocess.run(
        [sys.executable, "-c", OTHER.format(backend=backend, folder=str(folder))],
        env={**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": FAST_COMPILATION},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder, ours


@pytest.mark.parametrize("name", MODELS)
def test_the_other_backend_gives_the_same_logits(saved, name):
    folder, ours = saved
    np.testing.assert_allclose(np.load(folder / f"{name}.npy"), ours[name], **CLOSE)
