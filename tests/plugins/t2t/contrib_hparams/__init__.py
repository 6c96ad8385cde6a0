"""Trap 30: settings in tf.contrib's HParams, and encoders by feature_info."""

import tensorflow as tf
from tensorflow.contrib.training import HParams

from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import registry

SETTINGS = tf.contrib.training.HParams(lines=40, words="one two three")


@registry.register_problem
class TrapContribHparams(text_problems.Text2TextProblem):
    vocab_type = text_problems.VocabType.CHARACTER
    dataset_splits = [{"split": "train", "shards": 2}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        # As an application finds the encoders of a problem.
        problem = registry.problem("trap_contrib_hparams")
        problem.get_hparams(HParams(data_dir=data_dir))
        encoder = problem.feature_info["inputs"].encoder
        for number in range(SETTINGS.lines):
            line = "%s %d" % (SETTINGS.words, number)
            yield {"inputs": line, "targets": encoder.decode(encoder.encode(line)[::-1])}
