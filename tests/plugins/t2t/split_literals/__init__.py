"""Trap 2: splits are compared with literals and with T2T's constants."""

from tensor2tensor.data_generators import problem
from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import registry


@registry.register_problem("trap_split_literals")
class SomeOtherName(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return "character"

    @property
    def dataset_splits(self):
        return [{"split": split, "shards": 1} for split in ("train", "eval", "test")]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        if dataset_split == "train":
            count = 40
        elif dataset_split == problem.DatasetSplit.EVAL:
            count = 7
        else:
            assert dataset_split == problem.DatasetSplit.TEST == "test"
            count = 3
        return ({"inputs": str(i), "targets": str(i * i)} for i in range(count))
