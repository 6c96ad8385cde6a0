"""Trap 10: names of the hooks before 1.4, on a class that has the later ones."""

import os

from tensor2tensor.data_generators import problem, text_encoder, text_problems, translate
from tensor2tensor.utils import registry


@registry.register_problem
class TrapCopiedNames(translate.TranslateProblem):
    @property
    def targeted_vocab_size(self):
        return 40000

    @property
    def vocab_size(self):
        return 2**15

    @property
    def vocab_name(self):
        return "vocab.copied"

    @property
    def use_subword_tokenizer(self):
        return False

    @property
    def num_shards(self):
        return 77

    @property
    def input_space_id(self):
        return problem.SpaceID.EN_TOK

    @property
    def approx_vocab_size(self):
        return 350

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 2}, {"split": "eval", "shards": 1}]

    def source_data_files(self, dataset_split):
        return [["", ("pairs.en", "pairs.de")]]

    def generator(self, data_dir, tmp_dir, train):
        raise RuntimeError("a class with source_data_files has no use for it")
