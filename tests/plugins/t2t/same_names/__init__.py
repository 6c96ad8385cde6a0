"""Trap 18: sets, a range and a problem that have the names of T2T's own, on top of those."""

from tensor2tensor.data_generators import translate_envi
from tensor2tensor.models import transformer
from tensor2tensor.utils import registry


@registry.register_hparams
def transformer_poetry():
    hparams = transformer.transformer_base()
    hparams.num_hidden_layers = 2
    hparams.hidden_size = 128
    hparams.filter_size = 512
    hparams.num_heads = 4
    hparams.attention_dropout = 0.6
    hparams.layer_prepostprocess_dropout = 0.6
    hparams.learning_rate = 0.05
    return hparams


@registry.register_hparams
def transformer_big():
    hparams = transformer.transformer_big()
    hparams.learning_rate_constant = 1.5
    return hparams


@registry.register_ranged_hparams
def transformer_base_range(rhp):
    transformer.transformer_base_range(rhp)
    rhp.set_discrete("hidden_size", [32, 64])


@registry.register_problem
class TranslateEnviIwslt32k(translate_envi.TranslateEnviIwslt32k):
    @property
    def approx_vocab_size(self):
        return 340

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 3}, {"split": "eval", "shards": 1}]

    def source_data_files(self, dataset_split):
        return [["", ("pairs.en", "pairs.de")]]
