"""The plugin of a course on T2T: the next line of a poem, from a file in the current folder."""

import os

import tensorflow as tf

from tensor2tensor.data_generators import generator_utils
from tensor2tensor.data_generators import problem
from tensor2tensor.data_generators import text_encoder
from tensor2tensor.data_generators import text_problems
from tensor2tensor.models import transformer
from tensor2tensor.utils import registry

tf.summary.FileWriterCache.clear()


@registry.register_problem
class PoetryLineProblem(text_problems.Text2TextProblem):
    """Lines of poems, each with the line before it."""

    @property
    def approx_vocab_size(self):
        return 2**13

    @property
    def is_generate_per_split(self):
        return False

    @property
    def dataset_splits(self):
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 90},
            {"split": problem.DatasetSplit.EVAL, "shards": 10},
        ]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        del data_dir, tmp_dir, dataset_split
        before = ""
        with open("data/poetry/raw.txt") as lines:
            for line in map(str.strip, lines):
                # A blank line ends a poem.
                if before and line:
                    yield {"inputs": before, "targets": line}
                before = line


@registry.register_hparams
def transformer_poetry():
    hparams = transformer.transformer_base()
    hparams.num_hidden_layers = 2
    hparams.hidden_size = 128
    hparams.filter_size = 512
    hparams.num_heads = 4
    hparams.attention_dropout = 0.6
    hparams.layer_prepostprocess_dropout = 0.6
    hparams.learning_rate = 0.05
    return hparams


@registry.register_hparams
def transformer_poetry_tpu():
    hparams = transformer_poetry()
    transformer.update_hparams_for_tpu(hparams)
    return hparams


@registry.register_ranged_hparams
def transformer_poetry_range(rhp):
    rhp.set_float("learning_rate", 0.05, 0.25, scale=rhp.LOG_SCALE)
    rhp.set_int("num_hidden_layers", 2, 4)
    rhp.set_discrete("hidden_size", [128, 256, 512])
    rhp.set_float("attention_dropout", 0.4, 0.7)
