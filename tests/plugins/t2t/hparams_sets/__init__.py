"""Trap 14: sets that assign what T2T has, what it hasn't, and what they add; and a range."""

from tensor2tensor.data_generators import text_problems
from tensor2tensor.layers import common_hparams
from tensor2tensor.models import lstm, transformer
from tensor2tensor.utils import registry


@registry.register_hparams("trap_many_hparams")
def some_function():
    hparams = transformer.transformer_tiny()
    hparams.hidden_size = 32
    hparams.num_encoder_layers = 1
    hparams.num_decoder_layers = 1
    hparams.num_heads = 2
    hparams.filter_size = 64
    hparams.batch_size = 512
    hparams.max_length = 64
    hparams.layer_prepostprocess_dropout = 0.1
    hparams.attention_dropout = 0.1
    hparams.relu_dropout = 0.1
    hparams.learning_rate_constant = 2
    hparams.learning_rate_warmup_steps = 100
    hparams.learning_rate_schedule = "constant*linear_warmup*rsqrt_decay*rsqrt_hidden_size"
    hparams.eval_drop_long_sequences = int(True)
    hparams.shared_embedding_and_softmax_weights = int(True)
    hparams.optimizer = "multistep_adam"
    hparams.optimizer_multistep_accumulate_steps = 2
    hparams.symbol_modality_num_shards = 1
    hparams.label_smoothing = 0.2
    hparams.keep_checkpoint_max = 5
    hparams.add_hparam("trap_added", "yes")
    hparams.set_hparam("length_bucket_step", 1.2)
    assert "trap_added" in hparams and hparams.get("no_such", 3) == 3
    return hparams


@registry.register_hparams
def trap_lstm():
    hparams = lstm.lstm_luong_attention()
    hparams.hidden_size = 32
    return hparams


@registry.register_hparams
def trap_basic():
    return common_hparams.basic_params1()


@registry.register_ranged_hparams
def trap_range(rhp):
    rhp.set_float("learning_rate_constant", 0.05, 0.25, scale=rhp.LOG_SCALE)
    rhp.set_int("num_hidden_layers", 2, 4)
    rhp.set_discrete("hidden_size", [128, 256])
    rhp.set_float("attention_dropout", 0.4, 0.7)


@registry.register_problem
class TrapHparamsSets(text_problems.Text2ClassProblem):
    """And labels as a static method."""

    @property
    def vocab_type(self):
        return text_problems.VocabType.CHARACTER

    @property
    def dataset_splits(self):
        return [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

    @property
    def num_classes(self):
        return 2

    @staticmethod
    def class_labels(data_dir):
        return ["even", "odd"]

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for i in range(40):
            yield {"inputs": "number %d" % i, "label": i % 2}
