"""Trap 6: encoders of the plugin's own, which inherit nothing and read a file of their own."""

import pickle

import tensorflow as tf

from tensor2tensor.data_generators import text_encoder, text_problems
from tensor2tensor.utils import registry


class Letters(object):
    def __init__(self, path):
        with open(path, "rb") as file:
            self.letters = pickle.load(file)
        self.vocab_size = len(self.letters) + 2

    def encode(self, text):
        return [self.letters.index(letter) + 2 for letter in text]

    def decode(self, ids, strip_extraneous=False):
        return "".join(self.letters[int(i) - 2] for i in ids if i >= 2)


class Numbers(text_encoder.TextEncoder):
    @property
    def vocab_size(self):
        return 12


@registry.register_problem
class TrapDuckEncoders(text_problems.Text2TextProblem):
    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def feature_encoders(self, data_dir):
        return {"inputs": Letters(data_dir + "/letters.pickle"), "targets": Numbers()}

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(40):
            yield {"inputs": "abcdefghij"[: i % 10 + 1], "targets": str(i % 10)}

    def generate_encoded_samples(self, data_dir, tmp_dir, dataset_split):
        path = data_dir + "/letters.pickle"
        if not tf.gfile.Exists(path):
            with tf.gfile.Open(path, "wb") as file:
                file.write(pickle.dumps("abcdefghij"))
        encoders = self.feature_encoders(data_dir)
        for sample in self.generate_samples(data_dir, tmp_dir, dataset_split):
            yield {
                name: encoders[name].encode(text) + [text_encoder.EOS_ID]
                for name, text in sample.items()
            }
