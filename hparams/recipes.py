"""The sets of the results in docs/results.md."""

from t2tlite import HParams, registry

from .lstm import lstm_luong_attention
from .transformer import transformer_base, transformer_poetry, transformer_tiny
from .transformer_modern import transformer_modern_small, transformer_modern_tiny
from .transformer_relative import transformer_relative_tiny


def _cosine(hparams: HParams, rate: float, warmup_steps: int) -> HParams:
    """Sets a linear warm-up, then half a cosine down to 0 at the last step."""
    hparams.learning_rate_schedule = "constant*linear_warmup*single_cycle_cos_decay"
    hparams.learning_rate_constant = rate
    hparams.learning_rate_warmup_steps = warmup_steps
    hparams.optimizer_adam_beta2 = 0.98
    return hparams


@registry.register_hparams
def transformer_g2p():
    """Letters to phonemes: 3 layers, 128 wide, relative positions beside the sinusoids."""
    hparams = transformer_base()
    hparams.self_attention_type = "dot_product_relative"
    hparams.max_relative_position = 16
    hparams.num_hidden_layers = 3
    hparams.hidden_size = 128
    hparams.filter_size = 512
    hparams.num_heads = 4
    hparams.batch_size = 1024
    hparams.layer_prepostprocess_dropout = 0.05
    # One mask for all positions of a word: random numbers took 19 % of a step on a CPU.
    hparams.layer_prepostprocess_dropout_broadcast_dims = "1"
    hparams.attention_dropout = 0.0
    hparams.relu_dropout = 0.0
    return _cosine(hparams, 0.002, 800)


@registry.register_hparams
def transformer_modern_g2p():
    """Letters to phonemes: the modern block, as large as transformer_g2p."""
    hparams = transformer_modern_small()
    hparams.hidden_size = 128
    hparams.filter_size = 352
    hparams.layer_prepostprocess_dropout = 0.15
    hparams.residual_factors = False  # they help in short trainings
    hparams.learning_rate_constant = 0.005
    return hparams


@registry.register_hparams
def transformer_character():
    """Symbols to symbols, in large batches: Wu, Cotterell and Hulden 2021, as published.

    For letters to phonemes, inflection, transliteration: 20,000 steps of about 400 words.
    """
    hparams = transformer_base()
    hparams.num_hidden_layers = 4
    hparams.hidden_size = 256
    hparams.filter_size = 1024
    hparams.num_heads = 4
    hparams.batch_size = 3600
    hparams.layer_prepostprocess_dropout = 0.3
    hparams.attention_dropout = 0.3
    hparams.relu_dropout = 0.3
    hparams.clip_grad_norm = 1.0
    hparams.optimizer_adam_beta2 = 0.98
    hparams.optimizer_adam_epsilon = 1e-8
    # At most 0.001, at step 4,000; then with the inverse square root of the step.
    hparams.learning_rate_schedule = "constant*linear_warmup*rsqrt_decay"
    hparams.learning_rate_constant = 0.001 * 4000**0.5
    hparams.learning_rate_warmup_steps = 4000
    return hparams


@registry.register_hparams
def lstm_g2p():
    """Letters to phonemes: an LSTM layer a direction, 192 wide, and Luong attention."""
    hparams = lstm_luong_attention()
    hparams.hidden_size = 192
    hparams.num_hidden_layers = 1
    hparams.attention_layer_size = 192
    hparams.dropout = 0.3
    return _cosine(hparams, 0.002, 200)


@registry.register_hparams
def transformer_multi30k():
    """29,000 captions to translate: Wu et al. 2021's "tiny" with relative positions."""
    hparams = transformer_base()
    hparams.self_attention_type = "dot_product_relative"
    hparams.max_relative_position = 16
    hparams.num_hidden_layers = 4
    hparams.hidden_size = 128
    hparams.filter_size = 256
    hparams.num_heads = 4
    hparams.layer_prepostprocess_dropout = 0.2
    hparams.attention_dropout = 0.0
    hparams.relu_dropout = 0.0
    return _cosine(hparams, 0.004, 800)


@registry.register_hparams
def transformer_modern_multi30k():
    """29,000 captions to translate: the modern block, as large as transformer_multi30k."""
    hparams = transformer_modern_tiny()
    hparams.num_hidden_layers = 4
    hparams.filter_size = 168
    hparams.max_length = 64
    hparams.layer_prepostprocess_dropout = 0.2
    hparams.residual_factors = False  # they help in short trainings
    return hparams


@registry.register_hparams
def transformer_scan():
    """Commands to actions (SCAN): 2 layers, 128 wide, relative positions beside the sinusoids."""
    hparams = transformer_relative_tiny()
    hparams.pos = "timing"
    hparams.max_relative_position = 64  # the longest answer has 48 actions
    hparams.batch_size = 512
    hparams.label_smoothing = 0.0
    hparams.attention_dropout = 0.0
    hparams.relu_dropout = 0.0
    return _cosine(hparams, 0.002, 500)


@registry.register_hparams
def transformer_poetry_clean():
    """The next line of verse: as large as transformer_poetry, with little dropout."""
    hparams = transformer_poetry()
    hparams.batch_size = 1024
    hparams.label_smoothing = 0.0  # perplexity 53 rather than 56 per token
    hparams.layer_prepostprocess_dropout = 0.1
    hparams.attention_dropout = 0.0
    hparams.relu_dropout = 0.0
    return _cosine(hparams, 0.002, 300)


@registry.register_hparams
def transformer_modern_poetry_clean():
    """The next line of verse: the modern block, as large as transformer_poetry_clean."""
    hparams = transformer_modern_tiny()
    hparams.filter_size = 344
    hparams.residual_factors = False  # 4.764 nats a token after 1,820 steps, with them 4.782
    hparams.batch_size = 1024
    hparams.label_smoothing = 0.0
    hparams.learning_rate_schedule = "constant*linear_warmup*linear_decay_to_zero"
    hparams.learning_rate_warmup_steps = 180
    return hparams


@registry.register_hparams
def transformer_char_lm():
    """A character language model: 4 layers, 128 wide."""
    hparams = transformer_tiny()
    hparams.num_hidden_layers = 4
    hparams.max_length = 512
    hparams.label_smoothing = 0.0
    hparams.layer_prepostprocess_dropout = 0.0
    hparams.attention_dropout = 0.0
    hparams.relu_dropout = 0.0
    return _cosine(hparams, 0.002, 100)
