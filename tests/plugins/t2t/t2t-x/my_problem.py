"""Trap 5 again: no __init__.py, and a name that `import` can't write."""

from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import registry


@registry.register_problem
class TrapPlainFolder(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def is_generate_per_split(self):
        return False

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(20):
            yield {"inputs": "a" * (i + 1), "targets": "b"}
