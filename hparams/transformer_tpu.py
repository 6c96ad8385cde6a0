"""T2T's hparams sets for TPUs, with its names and values."""

from t2tlite import HParams, RangedHParams, registry

from .transformer import (
    transformer_base,
    transformer_base_v2,
    transformer_big,
    transformer_small,
    transformer_tiny,
)


def update_hparams_for_tpu(hparams: HParams) -> HParams:
    """Changes hparams as T2T does for TPUs; returns them.

    Adafactor, which needs little memory; short sequences; and dropout masks that are shared along
    axes, because random numbers are expensive on TPUs.

    Args:
      hparams: changed in place.
    """
    hparams.optimizer = "Adafactor"
    hparams.learning_rate_schedule = "rsqrt_decay"
    hparams.learning_rate_warmup_steps = 10000
    hparams.batch_size = 2048
    hparams.max_length = 64
    hparams.attention_dropout_broadcast_dims = "0,1"
    hparams.relu_dropout_broadcast_dims = "1"
    hparams.layer_prepostprocess_dropout_broadcast_dims = "1"
    return hparams


@registry.register_hparams
def transformer_tpu():
    """Base model for TPUs."""
    return update_hparams_for_tpu(transformer_base())


@registry.register_hparams
def transformer_tpu_bf16_activation():
    """Base model for TPUs with bfloat16 activations: twice as fast, half the memory."""
    hparams = transformer_tpu()
    hparams.activation_dtype = "bfloat16"
    return hparams


@registry.register_hparams
def transformer_tiny_tpu():
    """Tiny model for TPUs: 2 layers, 128 wide, 4 heads."""
    return update_hparams_for_tpu(transformer_tiny())


@registry.register_hparams
def transformer_small_tpu():
    """Small model for TPUs: 2 layers, 256 wide, 4 heads."""
    return update_hparams_for_tpu(transformer_small())


@registry.register_hparams
def transformer_big_tpu():
    """Big model for TPUs: 6 layers, 1024 wide, 16 heads."""
    return update_hparams_for_tpu(transformer_big())


@registry.register_hparams
def transformer_packed_tpu():
    """transformer_tpu under the name of T2T's set for packed problems."""
    return transformer_tpu()


@registry.register_hparams
def transformer_big_enfr_tpu():
    """Big model for English to French on TPUs: 8 heads twice as wide, separate softmax."""
    hparams = update_hparams_for_tpu(transformer_big())
    hparams.shared_embedding_and_softmax_weights = False
    hparams.filter_size = 8192
    hparams.num_heads = 8
    hparams.layer_prepostprocess_dropout = 0.1
    return hparams


@registry.register_hparams
def transformer_clean_big_tpu():
    """Big model without regularisation, for TPUs: T2T's baseline for large data."""
    hparams = update_hparams_for_tpu(transformer_base_v2())
    hparams.hidden_size = 1024
    hparams.filter_size = 4096
    hparams.label_smoothing = 0.0
    hparams.layer_prepostprocess_dropout = 0.0
    hparams.attention_dropout = 0.0
    hparams.relu_dropout = 0.0
    return hparams


@registry.register_hparams
def transformer_lm_tpu_0():
    """Language model of 1024 for one TPU core."""
    hparams = transformer_clean_big_tpu()
    hparams.num_heads = 4
    hparams.batch_size = 4096
    hparams.layer_prepostprocess_dropout = 0.1
    hparams.shared_embedding_and_softmax_weights = False
    return hparams


@registry.register_hparams
def transformer_lm_tpu_1():
    """Language model of 2048 for TPUs."""
    hparams = transformer_lm_tpu_0()
    hparams.hidden_size = 2048
    hparams.filter_size = 8192
    return hparams


@registry.register_ranged_hparams
def transformer_tpu_range(ranged: RangedHParams):
    """Warm-up, Adam, initial weights and weight decay around transformer_tpu."""
    # For schedules that read it; that of transformer_tpu doesn't.
    ranged.set_float("learning_rate", 0.3, 3.0, scale=ranged.LOG_SCALE)
    ranged.set_discrete("learning_rate_warmup_steps", [1000, 2000, 4000, 8000, 16000])
    ranged.set_float("initializer_gain", 0.5, 2.0)
    ranged.set_float("optimizer_adam_beta1", 0.85, 0.95)
    ranged.set_float("optimizer_adam_beta2", 0.97, 0.99)
    ranged.set_float("weight_decay", 0.0, 2.0)


@registry.register_ranged_hparams
def transformer_tiny_tpu_range(ranged: RangedHParams):
    """Weight decay around transformer_tiny_tpu."""
    ranged.set_float("learning_rate", 0.3, 3.0, scale=ranged.LOG_SCALE)
    ranged.set_float("weight_decay", 0.0, 2.0)
