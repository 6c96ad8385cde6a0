"""Trap: samples of many files, in tasks: T2T's two classes for it, and a generate_data of one's own."""

import os

from tensor2tensor.data_generators import generator_utils, problem, text_encoder, text_problems
from tensor2tensor.utils import registry

import tensorflow as tf

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "texts")


class Splits(object):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def dataset_splits(self):
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 3},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]


@registry.register_problem
class TrapDistributed(Splits, text_problems.DistributedText2TextProblem):
    @property
    def is_generate_per_split(self):
        return False

    def input_files(self, dataset_split=problem.DatasetSplit.TRAIN):
        return sorted(tf.gfile.Glob(os.path.join(FOLDER, "*.txt")))

    def generate_samples(self, data_dir, tmp_dir, dataset_split, input_files):
        for path in input_files:
            for line in text_problems.txt_line_iterator(path):
                yield {"inputs": line, "targets": line[::-1]}


@registry.register_problem
class TrapChopped(Splits, text_problems.ChoppedTextProblem):
    @property
    def sequence_length(self):
        return 16

    def train_text_filepaths(self, tmp_dir):
        return sorted(tf.gfile.Glob(os.path.join(FOLDER, "*.txt")))

    def dev_text_filepaths(self, tmp_dir):
        return self.train_text_filepaths(tmp_dir)[:1]


@registry.register_problem
class TrapOwnTasks(Splits, text_problems.Text2TextProblem):
    @property
    def multiprocess_generate(self):
        return True

    @property
    def num_generate_tasks(self):
        return 4

    def prepare_to_generate(self, data_dir, tmp_dir):
        with tf.gfile.Open(os.path.join(tmp_dir, "prepared"), "w") as f:
            f.write("yes")

    def generate_data(self, data_dir, tmp_dir, task_id=-1):
        assert task_id >= 0 and tf.gfile.Exists(os.path.join(tmp_dir, "prepared"))
        paths = self.training_filepaths(data_dir, 3, shuffled=False)
        paths += self.dev_filepaths(data_dir, 1, shuffled=False)
        encoder = text_encoder.ByteTextEncoder()
        ids = encoder.encode("task %d" % task_id) + [text_encoder.EOS_ID]
        examples = ({"inputs": ids, "targets": ids} for _ in range(10))
        generator_utils.generate_files(examples, [paths[task_id]])
        generator_utils.shuffle_dataset([paths[task_id]])
