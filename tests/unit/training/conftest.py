"""Real training setups on small problems with data."""

import pytest

from t2tlite import registry
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.config import HParams
from t2tlite.devices.devices import Devices
from t2tlite.problem import DatasetSplit
from t2tlite.text_problems import Text2ClassProblem, Text2TextProblem, VocabType
from t2tlite.training.train_args import TrainArgs
from tests.unit.conftest import TINY

SPLITS = [{"split": split, "shards": 1} for split in (DatasetSplit.TRAIN, DatasetSplit.EVAL)]
WORDS = ["glad", "sad", "so so", "ill", "well", "fine"]


class Echo(Text2TextProblem):
    """A text as input, the same text as target."""

    vocab_type = VocabType.CHARACTER
    dataset_splits = SPLITS

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for word in WORDS * 8:
            yield {"inputs": word, "targets": word}


class Lengths(Text2ClassProblem):
    """Whether a text has more than four letters."""

    vocab_type = VocabType.CHARACTER
    num_classes = 2
    dataset_splits = SPLITS

    def class_labels(self, data_dir):
        return ["short", "long"]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for word in WORDS * 8:
            yield {"inputs": word, "label": int(len(word) > 4)}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """The data of both problems."""
    folder = str(tmp_path_factory.mktemp("data"))
    for problem in (Echo(), Lengths()):
        problem.generate_data(folder, folder)
    return folder


@pytest.fixture
def make_run(own_names):
    """A function that returns the record of a run of a tiny model on one of the problems."""
    for problem in (Echo, Lengths):
        registry.register_problem(problem)

    def make(problem="echo", model="transformer", **hparams):
        values = {"batch_size": 128, "max_length": 16, "learning_rate_schedule": "constant"}
        return RunRecord.describe(problem, model, HParams(**{**TINY, **values, **hparams}), [])

    return make


@pytest.fixture
def make_setup(make_run, data_dir):
    """A function that makes the TrainingSetup of such a run on one CPU."""
    from t2tlite.training.setup import TrainingSetup

    def make(problem="echo", model="transformer", **train_args):
        device = Devices("tensorflow", "CPU", 1)
        return TrainingSetup(make_run(problem, model), data_dir, TrainArgs(**train_args), device)

    return make
