"""Trap 12: T2T's modules are reached through others of them, and a built-in problem is subclassed."""

from tensor2tensor.data_generators import generator_utils, translate_envi
from tensor2tensor.utils import registry

EOS = translate_envi.EOS


@registry.register_problem
class TrapReachesThrough(translate_envi.TranslateEnviIwslt32k):
    @property
    def approx_vocab_size(self):
        return 340

    @property
    def dataset_splits(self):
        return [
            {"split": translate_envi.problem.DatasetSplit.TRAIN, "shards": 2},
            {"split": translate_envi.problem.DatasetSplit.EVAL, "shards": 1},
        ]

    def source_data_files(self, dataset_split):
        assert EOS == generator_utils.text_encoder.EOS_ID
        train = dataset_split == translate_envi.problem.DatasetSplit.TRAIN
        return [["", ("pairs.en", "pairs.de") if train else ("pairs.de", "pairs.en")]]


@registry.register_problem
class TrapDecodesOthersData(TrapReachesThrough):
    def dataset_filename(self):
        return "trap_reaches_through"

    @property
    def decode_hooks(self):
        return []
