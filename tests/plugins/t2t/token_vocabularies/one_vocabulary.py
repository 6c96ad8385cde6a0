"""Trap 7: a TOKEN vocabulary that the plugin writes while it generates."""

import os

import tensorflow as tf

from tensor2tensor.data_generators import text_encoder, text_problems
from tensor2tensor.utils import registry

EOS = text_encoder.EOS_ID


@registry.register_problem
class TrapTokens(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.TOKEN

    @property
    def oov_token(self):
        return "<UNK>"

    @property
    def vocab_filename(self):
        return "trap_words.txt"

    @property
    def is_generate_per_split(self):
        return True

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        path = os.path.join(data_dir, self.vocab_filename)
        if not tf.gfile.Exists(path):
            words = ["<UNK>", "what", "is", "this", "that"]
            encoder = text_encoder.TokenTextEncoder(None, vocab_list=words)
            encoder.store_to_file(path)
        for i in range(30):
            yield {"inputs": "what is this thing"[: i % 18 + 1], "targets": "that is number %d" % i}
