"""Problem classes with T2T's names: what T2T doesn't read in a training may be absent."""

import numpy as np

from t2tlite.checkpoint.description import describe
from t2tlite.compat.tensor2tensor.data_generators import text_encoder, text_problems
from t2tlite.config import HParams


class Encoded(text_problems.Text2TextProblem):
    """Encodes itself; another of T2T's generators would read the prefix."""

    name = "encoded"
    vocab_type = text_problems.VocabType.CHARACTER

    @property
    def inputs_prefix(self):
        raise NotImplementedError

    def generate_encoded_samples(self, data_dir, tmp_dir, dataset_split):
        yield {"inputs": [9, 1], "targets": [8, 1]}


class Labelled(text_problems.Text2ClassProblem):
    """Its encoders are those of texts only."""

    name = "labelled"
    num_classes = 2

    def class_labels(self, data_dir):
        return ["no", "yes"]

    def feature_encoders(self, data_dir):
        return {"inputs": text_encoder.ByteTextEncoder()}


def test_a_prefix_that_is_not_implemented(tmp_path):
    description, _ = describe(Encoded(), "transformer", HParams(), tmp_path)
    assert {one.prefix for one in description.features.values()} == {""}


def test_labels_without_an_encoder(tmp_path):
    problem = Labelled()
    encoders = problem.get_feature_encoders(str(tmp_path))
    assert encoders["targets"].decode(np.array([1])) == "yes"
    description, needs = describe(problem, "transformer_encoder", HParams(), tmp_path)
    assert description.features["targets"].encoder and not needs
    described = description.features["targets"]
    assert described.vocab_size == 2
