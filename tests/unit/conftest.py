"""Fixtures of the unit tests. Those that need Keras import it inside: most tests do without."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from t2tlite import registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.data.records import serialized, write_shard
from t2tlite.registry import Registry
from t2tlite.text import EOS_ID
from t2tlite.text_problems import Text2ClassProblem, Text2SelfProblem, VocabType
from tests.conftest import TABLES, keep_names
from tests.object_storage import (  # noqa: F401 - fixtures
    fresh,
    gcs_server,
    gs,
    no_buckets,
    remote,
    s3,
    s3_server,
    web,
)

TINY = {"hidden_size": 8, "num_heads": 2, "filter_size": 16, "num_hidden_layers": 1}


def write_dev_shard(decoder: Any, folder: Path, pairs: list[tuple[str, str]]) -> None:
    """Writes a data folder of inputs and targets to evaluate a model on, and its vocabularies."""
    for name in decoder.run.vocabularies:
        (folder / name).write_bytes(Path(decoder.output_dir, name).read_bytes())
    records = (
        serialized(
            {
                name: [*decoder.encoders[name].encode(text), EOS_ID]
                for name, text in zip(("inputs", "targets"), pair, strict=True)
            }
        )
        for pair in pairs
    )
    write_shard(folder / f"{decoder.problem.dataset_filename()}-dev-00000-of-00001", records)


@pytest.fixture
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets, after the test, what it registered and which plugins it loaded."""
    keep_names(monkeypatch)


@pytest.fixture
def no_tables(own_names: None) -> None:
    """Forgets the problems that data folders describe, and after the test what it registered."""
    registry.problems._found.clear()


@pytest.fixture
def no_names(own_names: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty tables, and no plugin that fills them."""
    monkeypatch.setattr(Registry, "load_plugins", staticmethod(lambda: None))
    for table in TABLES:
        table._users.clear()
        table._found.clear()
        table._built_in.clear()


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """The warnings that t2tlite logs during the test, also where a command cut its logger off."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    collector = Collector(logging.WARNING)
    logging.getLogger("t2tlite").addHandler(collector)
    yield lines
    logging.getLogger("t2tlite").removeHandler(collector)


@pytest.fixture
def said(caplog, monkeypatch):
    """A function that returns the lines logged so far, as without a terminal."""
    monkeypatch.setattr("t2tlite.console.on_terminal", lambda: False)
    # A command that ran before in this process keeps t2tlite's lines from the root logger.
    monkeypatch.setattr(logging.getLogger("t2tlite"), "propagate", True)
    caplog.set_level("INFO", "t2tlite")
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def make_model():
    """A function that makes a model and its built optimizer, with weights by seed."""
    import keras
    import numpy as np

    from t2tlite.model.transformer import Transformer
    from t2tlite.optimizers.optimizers import make_optimizer

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
    import keras
    import numpy as np

    from t2tlite.checkpoint import checkpoints
    from t2tlite.checkpoint.run_record import RunRecord
    from t2tlite.decode.decoder import Decoder

    def make(
        problem,
        name="transformer",
        decode_hparams="",
        make_vocabulary=lambda folder: None,
        **values,
    ):
        hparams = HParams(**TINY, **values)
        keras.utils.set_random_seed(5)
        monkeypatch.setattr(registry, "problem", lambda _: problem())
        folder = tmp_path / "model"
        folder.mkdir()
        make_vocabulary(folder)
        run = RunRecord.describe(problem().name, name, hparams, [])
        run.take_vocabularies(folder, folder)
        run.write(folder, folder)
        network = run.make_model(problem().get_hparams(hparams, str(folder)))
        weights = {weight.path: np.asarray(weight) * 3 for weight in network.weights}
        checkpoints.write_weights(folder, 1, weights)
        return Decoder(folder, decode_hparams=decode_hparams)

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
    return new_decoder(Letters, decode_hparams="beam_size=1,extra_length=8")
