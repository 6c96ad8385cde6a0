"""Small problems that are mixed in tests."""

import pytest

from t2tlite import registry
from t2tlite.problem import DatasetSplit
from t2tlite.text_problems import Text2ClassProblem, Text2SelfProblem, Text2TextProblem, VocabType

SPLITS = [{"split": DatasetSplit.TRAIN, "shards": 2}, {"split": DatasetSplit.EVAL, "shards": 1}]
WORDS = ["wood", "lovely", "dark", "deep", "mile", "sleep", "promise", "keep"]


class Reversing(Text2TextProblem):
    """Words -> the same backwards; the texts say which split they are of."""

    approx_vocab_size = 300
    dataset_splits = SPLITS
    count = 60

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(self.count):
            words = [WORDS[i % 8], WORDS[i // 3 % 8], dataset_split]
            yield {"inputs": " ".join(words), "targets": " ".join(words[::-1])}


class Shouting(Reversing):
    """Words -> the same in capitals."""

    approx_vocab_size = 280
    count = 15

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for sample in super().generate_samples(data_dir, tmp_dir, dataset_split):
            yield {**sample, "targets": sample["inputs"].upper()}


class Prefixed(Shouting):
    """As Shouting, with texts of its own before its inputs."""

    inputs_prefix = "shout: "


class Bytes(Reversing):
    """As Reversing, of bytes."""

    vocab_type = VocabType.CHARACTER


class Moods(Text2ClassProblem):
    """A problem of classes."""

    num_classes = 2


class Lines(Text2SelfProblem):
    """Text alone."""

    approx_vocab_size = 300
    dataset_splits = SPLITS

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        return ({"targets": word} for word in WORDS)


class Verses(Lines):
    """Other text alone."""


class OwnEncoders(Reversing):
    """A problem whose encoders no mixture can replace."""

    def feature_encoders(self, data_dir):
        return {}


CLASSES = [Reversing, Shouting, Prefixed, Bytes, Moods, Lines, Verses, OwnEncoders]


@pytest.fixture(autouse=True)
def members(own_names):
    """Registers the problems of this file for a test."""
    for one in CLASSES:
        registry.register_problem(one)
