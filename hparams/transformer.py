"""The Transformer's hparams sets, with T2T's names and values, and `transformer_poetry`."""

from t2tlite import HParams, RangedHParams, registry


@registry.register_hparams
def transformer_base_v1():
    """Base model as first published: post-norm, legacy schedule."""
    hparams = HParams()
    hparams.layer_preprocess_sequence = "none"
    hparams.layer_postprocess_sequence = "dan"
    hparams.attention_dropout = 0.0
    hparams.relu_dropout = 0.0
    hparams.learning_rate = 0.1
    hparams.learning_rate_constant = 1.0
    hparams.learning_rate_schedule = "legacy"
    hparams.learning_rate_warmup_steps = 4000
    hparams.optimizer_adam_beta2 = 0.98
    return hparams


@registry.register_hparams
def transformer_base_v2():
    """Base model in pre-norm with more dropout, legacy schedule."""
    hparams = HParams()
    hparams.learning_rate_constant = 1.0
    hparams.learning_rate_schedule = "legacy"
    hparams.optimizer_adam_beta2 = 0.98
    return hparams


@registry.register_hparams
def transformer_base_v3():
    """Base model: 6 layers, 512 wide, 8 heads; the same as transformer_base."""
    return HParams()


@registry.register_hparams
def transformer_base():
    """Base model: 6 layers, 512 wide, 8 heads, for several GPUs."""
    return transformer_base_v3()


@registry.register_hparams
def transformer_base_single_gpu():
    """Base model with smaller batches and a schedule for one GPU."""
    hparams = transformer_base()
    hparams.batch_size = 1024
    hparams.learning_rate_schedule = "constant*linear_warmup*rsqrt_decay"
    hparams.learning_rate_constant = 0.1
    hparams.learning_rate_warmup_steps = 16000
    return hparams


@registry.register_hparams
def transformer_base_multistep8():
    """Base model that sums the gradients of 8 batches before each update."""
    hparams = transformer_base()
    hparams.optimizer = "multistep_adam"
    hparams.optimizer_multistep_accumulate_steps = 8
    return hparams


@registry.register_hparams
def transformer_big():
    """Big model: 6 layers, 1024 wide, 16 heads, for several GPUs."""
    hparams = transformer_base()
    hparams.hidden_size = 1024
    hparams.filter_size = 4096
    hparams.num_heads = 16
    hparams.batch_size = 2048
    hparams.layer_prepostprocess_dropout = 0.3
    return hparams


@registry.register_hparams
def transformer_big_single_gpu():
    """Big model with less dropout and a schedule for one GPU."""
    hparams = transformer_big()
    hparams.layer_prepostprocess_dropout = 0.1
    hparams.learning_rate_warmup_steps = 16000
    return hparams


@registry.register_hparams
def transformer_small():
    """Small model: 2 layers, 256 wide, 4 heads."""
    hparams = transformer_base()
    hparams.num_hidden_layers = 2
    hparams.hidden_size = 256
    hparams.filter_size = 1024
    hparams.num_heads = 4
    return hparams


@registry.register_hparams
def transformer_tiny():
    """Tiny model: 2 layers, 128 wide, 4 heads."""
    hparams = transformer_base()
    hparams.num_hidden_layers = 2
    hparams.hidden_size = 128
    hparams.filter_size = 512
    hparams.num_heads = 4
    return hparams


@registry.register_hparams
def transformer_poetry():
    """Tiny model with high dropout (0.6), for a few megabytes of verse."""
    hparams = transformer_tiny()
    hparams.learning_rate = 0.05
    hparams.attention_dropout = 0.6
    hparams.layer_prepostprocess_dropout = 0.6
    return hparams


@registry.register_hparams
def transformer_poetry_quick():
    """transformer_poetry for minutes of training: short warm-up, less dropout."""
    hparams = transformer_poetry()
    hparams.learning_rate_warmup_steps = 400
    hparams.attention_dropout = 0.1
    hparams.layer_prepostprocess_dropout = 0.2
    hparams.batch_size = 2048
    return hparams


@registry.register_ranged_hparams
def transformer_base_range(ranged: RangedHParams):
    """Learning rate, warm-up, Adam, initial weights and weight decay around transformer_base."""
    # The schedule "legacy" reads the first, others the second.
    ranged.set_float("learning_rate", 0.3, 3.0, scale=ranged.LOG_SCALE)
    ranged.set_float("learning_rate_constant", 0.3, 3.0, scale=ranged.LOG_SCALE)
    ranged.set_discrete("learning_rate_warmup_steps", [1000, 2000, 4000, 8000, 16000])
    ranged.set_float("initializer_gain", 0.5, 2.0)
    ranged.set_float("optimizer_adam_beta1", 0.85, 0.95)
    ranged.set_float("optimizer_adam_beta2", 0.97, 0.99)
    ranged.set_float("weight_decay", 0.0, 1e-4)


@registry.register_ranged_hparams
def transformer_poetry_range(ranged: RangedHParams):
    """Width, depth, warm-up and dropout around transformer_poetry."""
    ranged.set_float("learning_rate_constant", 0.5, 4.0, scale=ranged.LOG_SCALE)
    ranged.set_int("num_hidden_layers", 2, 4)
    ranged.set_discrete("hidden_size", [128, 256, 512])
    ranged.set_float("attention_dropout", 0.1, 0.7)
    ranged.set_float("layer_prepostprocess_dropout", 0.1, 0.7)
