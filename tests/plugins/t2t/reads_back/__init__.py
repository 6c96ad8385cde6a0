"""Trap: a problem reads the data of another one, by Problem.dataset."""

from tensor2tensor.data_generators import problem, text_problems
from tensor2tensor.utils import registry

import tensorflow as tf


@registry.register_problem
class TrapFirst(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def is_generate_per_split(self):
        return False

    @property
    def dataset_splits(self):
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 3},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for n in range(60):
            yield {"inputs": "%d" % n, "targets": "number %d" % n}


@registry.register_problem
class TrapReadsBack(TrapFirst):
    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        first = registry.problem("trap_first")
        first.generate_data(data_dir, tmp_dir)
        paths = first.data_filepaths(problem.DatasetSplit.TRAIN, data_dir, 3, True)
        assert paths == first.training_filepaths(data_dir, 3, shuffled=True)
        dataset = first.dataset(
            tf.estimator.ModeKeys.TRAIN, data_dir, shuffle_files=False, num_threads=2
        )
        encoders = first.get_feature_encoders(data_dir)
        assert first.feature_info["targets"].vocab_size == encoders["targets"].vocab_size
        for example in dataset.as_numpy_iterator():
            texts = {
                name: encoders[name].decode(list(ids), strip_extraneous=True)
                for name, ids in example.items()
            }
            yield {"inputs": texts["targets"], "targets": texts["inputs"]}
