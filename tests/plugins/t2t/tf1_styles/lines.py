from __future__ import absolute_import
from __future__ import division
from __future__ import print_function

import os

import six
from tensor2tensor.data_generators import generator_utils
from tensor2tensor.data_generators import problem
from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import registry
import tensorflow.compat.v1 as tf
from tensorflow.compat.v1 import estimator as tf_estimator
from tensorflow.contrib import slim

tf.logging.set_verbosity(tf.logging.INFO)
tf.disable_v2_behavior()


@registry.register_problem
class TrapTf1Styles(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def dataset_splits(self):
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 1},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        path = os.path.join(tmp_dir, "tf1_styles.txt")
        if not tf.gfile.Exists(path):
            with tf.gfile.GFile(path, "w") as file:
                for i in six.moves.range(20):
                    file.write("line %d\n" % i)
        tf.logging.info("reading %s", path)
        with tf.gfile.Open(path) as file:
            for line in file:
                yield {"inputs": line.strip(), "targets": line.strip()[::-1]}

    def preprocess_example(self, example, mode, hparams):
        if mode == tf_estimator.ModeKeys.TRAIN or mode == tf.estimator.ModeKeys.EVAL:
            example["targets"] = tf.concat([example["targets"][:-1], [1]], 0)
        return example
