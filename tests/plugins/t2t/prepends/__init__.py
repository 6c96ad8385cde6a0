"""Trap: a variant of T2T's base set, inputs before targets, and values that nothing reads."""

from tensor2tensor.data_generators import text_problems
from tensor2tensor.models import transformer
from tensor2tensor.models.research import universal_transformer
from tensor2tensor.utils import registry


@registry.register_hparams
def trap_prepends():
    hparams = transformer.transformer_prepend()
    hparams.prepend_mode = "prepend_inputs_full_attention"
    # The defaults of basic_params1, for layers that this model hasn't.
    hparams.moe_num_experts = 64
    hparams.moe_loss_coef = 1e-2
    hparams.multiproblem_vocab_size = 2**16
    hparams.ffn_layer = "conv_hidden_relu"
    assert hparams.moe_num_experts == 64
    for make in (
        transformer.transformer_l8,
        transformer.transformer_h16,
        transformer.transformer_k128,
        transformer.transformer_clean_big,
        transformer.transformer_parsing_ice,
        transformer.transformer_tall,
        universal_transformer.universal_transformer_tall,
    ):
        other = transformer.update_hparams_for_tpu(make())
        other.add_hparam("trap_added", 1)
        assert other.optimizer == "Adafactor"
    return hparams


@registry.register_problem
class TrapPrepends(text_problems.Text2TextProblem):
    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(60):
            yield {"inputs": "line %d" % i, "targets": "%d enil" % i}
