"""Trap 5: a folder that is no identifier, Python 2's relative import, a module beside the folder."""

import trap_beside
from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import registry


@registry.register_problem
class TrapFolderName(text_problems.Text2SelfProblem):
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
        from trap_late import LATE

        for i in range(trap_beside.SAMPLES):
            yield {"targets": LATE + str(i)}
