"""Trap: targets that are numbers, read from a file."""

import os

from tensor2tensor.data_generators import problem, text_encoder, text_problems
from tensor2tensor.layers import modalities
from tensor2tensor.utils import metrics, registry

import tensorflow as tf


@registry.register_problem
class TrapLengths(text_problems.Text2RealProblem):
    """A text -> its length and its number of words."""

    @property
    def ntasks(self):
        return 2

    @property
    def approx_vocab_size(self):
        return 300

    @property
    def is_generate_per_split(self):
        return False

    @property
    def dataset_splits(self):
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 2},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        texts = [("word " * (n % 7 + 1)).strip() + " %d" % n for n in range(60)]
        with tf.gfile.Open(os.path.join(tmp_dir, "texts"), "w") as f:
            f.write("".join("%s\n" % text for text in texts))
        with tf.gfile.Open(os.path.join(tmp_dir, "lengths"), "w") as f:
            f.write("".join("%.1f %d\n" % (len(t), len(t.split())) for t in texts))
        return text_problems.text2real_txt_iterator(
            os.path.join(tmp_dir, "texts"), os.path.join(tmp_dir, "lengths")
        )

    def hparams(self, defaults, unused_model_hparams):
        super(TrapLengths, self).hparams(defaults, unused_model_hparams)
        assert defaults.modality["targets"] == modalities.ModalityType.REAL_L2_LOSS
        assert isinstance(self._encoders["targets"], text_encoder.RealEncoder)
        defaults.add_hparam("regression_targets", True)

    def eval_metrics(self):
        return super(TrapLengths, self).eval_metrics() + [metrics.Metrics.PEARSON]
