"""Trap 1: is_generate_per_split is a method, so it is true whatever it would return."""

from __future__ import absolute_import, division, print_function

from tensor2tensor.data_generators import problem, text_problems
from tensor2tensor.utils import registry

ASKED = []


@registry.register_problem
class TrapMethodPerSplit(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    def is_generate_per_split(self):
        raise RuntimeError("T2T never calls it")

    @property
    def dataset_splits(self):
        return [
            {"split": problem.DatasetSplit.TRAIN, "shards": 2},
            {"split": problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        ASKED.append(dataset_split)
        for i in range(30):
            yield {"inputs": "%s %d" % (dataset_split, i), "targets": str(i)}
