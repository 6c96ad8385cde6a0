"""The hparams sets of LSTM models, with T2T's names and values."""

from t2tlite import HParams, registry


@registry.register_hparams
def basic_1():
    """T2T's base set of models other than the Transformer."""
    hparams = HParams()
    hparams.hidden_size = 64
    hparams.num_hidden_layers = 4
    hparams.layer_preprocess_sequence = "none"
    hparams.layer_postprocess_sequence = "dan"
    hparams.initializer = "orthogonal"
    hparams.initializer_gain = 1.5
    hparams.weight_decay = 1e-6
    hparams.clip_grad_norm = 2.0
    hparams.optimizer_adam_beta1 = 0.85
    hparams.optimizer_adam_epsilon = 1e-6
    hparams.learning_rate_schedule = "legacy"
    hparams.learning_rate = 0.1
    hparams.learning_rate_constant = 1.0
    hparams.learning_rate_decay_scheme = "none"
    hparams.learning_rate_warmup_steps = 100
    hparams.max_length = 0
    hparams.shared_embedding_and_softmax_weights = False
    return hparams


@registry.register_hparams
def lstm_seq2seq():
    """LSTM without attention: 2 layers, 128 wide."""
    hparams = basic_1()
    hparams.batch_size = 1024
    hparams.hidden_size = 128
    hparams.num_hidden_layers = 2
    hparams.initializer = "uniform_unit_scaling"
    hparams.initializer_gain = 1.0
    hparams.weight_decay = 0.0
    return hparams


def lstm_attention_base() -> HParams:
    """Base of the sets with attention, which add attention_mechanism."""
    hparams = lstm_seq2seq()
    hparams.num_heads = 1
    hparams.add_hparam("attention_layer_size", 128)  # width of each head's output
    # Compute logits from the output of attention rather than from that of the last layer.
    hparams.add_hparam("output_attention", True)
    return hparams


def _with_attention(mechanism: str) -> HParams:
    hparams = lstm_attention_base()
    hparams.add_hparam("attention_mechanism", mechanism)
    return hparams


@registry.register_hparams
def lstm_bahdanau_attention():
    """LSTM with additive attention (Bahdanau et al. 2015): 2 layers, 128 wide."""
    return _with_attention("bahdanau")


@registry.register_hparams
def lstm_luong_attention():
    """LSTM with multiplicative attention (Luong et al. 2015): 2 layers, 128 wide."""
    return _with_attention("luong")


@registry.register_hparams
def lstm_attention():
    """The same as lstm_bahdanau_attention."""
    return lstm_bahdanau_attention()


@registry.register_hparams
def lstm_bahdanau_attention_multi():
    """lstm_bahdanau_attention with four heads."""
    hparams = lstm_bahdanau_attention()
    hparams.num_heads = 4
    return hparams


@registry.register_hparams
def lstm_luong_attention_multi():
    """lstm_luong_attention with four output vectors of attention."""
    hparams = lstm_luong_attention()
    hparams.num_heads = 4
    return hparams
