"""As `tensor2tensor.models.lstm`: the sets, without the models."""

from t2tlite.compat.absent import names_of
from t2tlite.compat.t2t_hparams import HParams
from t2tlite.compat.tensor2tensor.layers.common_hparams import basic_params1

__getattr__ = names_of(__name__)

__all__ = [
    "lstm_attention",
    "lstm_attention_base",
    "lstm_bahdanau_attention",
    "lstm_luong_attention",
    "lstm_luong_attention_multi",
    "lstm_seq2seq",
]


def lstm_seq2seq() -> HParams:
    """Two layers, 128 wide."""
    hparams = basic_params1()
    hparams.batch_size = 1024
    hparams.hidden_size = 128
    hparams.num_hidden_layers = 2
    hparams.initializer = "uniform_unit_scaling"
    hparams.initializer_gain = 1.0
    hparams.weight_decay = 0.0
    return hparams


def lstm_attention_base() -> HParams:
    """lstm_seq2seq with attention of one head."""
    hparams = lstm_seq2seq()
    hparams.num_heads = 1
    hparams.add_hparam("attention_layer_size", hparams.hidden_size)
    hparams.add_hparam("output_attention", True)
    return hparams


def lstm_bahdanau_attention() -> HParams:
    """Additive attention."""
    hparams = lstm_attention_base()
    hparams.add_hparam("attention_mechanism", "bahdanau")
    return hparams


def lstm_luong_attention() -> HParams:
    """Multiplicative attention."""
    hparams = lstm_attention_base()
    hparams.add_hparam("attention_mechanism", "luong")
    return hparams


def lstm_attention() -> HParams:
    """The same as lstm_bahdanau_attention."""
    return lstm_bahdanau_attention()


def lstm_luong_attention_multi() -> HParams:
    """lstm_luong_attention with four heads."""
    hparams = lstm_luong_attention()
    hparams.num_heads = 4
    return hparams
