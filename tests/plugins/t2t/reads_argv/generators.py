"""Trap 4: the hook itself parses sys.argv, for arguments that no command knows."""

import argparse

from tensor2tensor.data_generators import text_problems
from tensor2tensor.utils import registry


@registry.register_problem
class TrapReadsArgv(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        parser = argparse.ArgumentParser()
        parser.add_argument("--trap_letter", required=True)
        arguments, _ = parser.parse_known_args()
        for i in range(1, 30):
            yield {"inputs": str(i), "targets": arguments.trap_letter * (i % 5 + 1)}
