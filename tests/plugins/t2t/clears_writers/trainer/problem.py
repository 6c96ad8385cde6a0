"""Trap 13: tf.summary.FileWriterCache.clear() at import, as the poetry course had it."""

import os

import tensorflow as tf

from tensor2tensor.data_generators import generator_utils, problem, text_problems
from tensor2tensor.models import transformer
from tensor2tensor.utils import registry

tf.summary.FileWriterCache.clear()
tf.logging.set_verbosity(tf.logging.ERROR)


@registry.register_problem
class TrapClearsWriters(text_problems.Text2TextProblem):
    @property
    def approx_vocab_size(self):
        return 330

    @property
    def is_generate_per_split(self):
        return False

    @property
    def dataset_splits(self):
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 9},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        path = generator_utils.maybe_download(
            tmp_dir, "copy_of_pairs.en", os.path.join(tmp_dir, "pairs.en")
        )
        with tf.gfile.GFile(path) as lines:
            before = None
            for line in lines:
                if before is not None:
                    yield {"inputs": before, "targets": line.strip()}
                before = line.strip()


@registry.register_hparams
def trap_poetry():
    hparams = transformer.transformer_base()
    hparams.num_hidden_layers = 1
    hparams.hidden_size = 32
    hparams.filter_size = 64
    hparams.num_heads = 2
    hparams.attention_dropout = 0.6
    hparams.layer_prepostprocess_dropout = 0.6
    hparams.learning_rate = 0.05
    return hparams
