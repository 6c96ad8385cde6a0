"""The hparams sets with the block of `t2tlite.model.modern`: what is trained today."""

from t2tlite import registry

from .transformer import transformer_base


@registry.register_hparams
def transformer_modern_base():
    """Modern block, 6 layers, 512 wide, 8 heads: as many parameters as transformer_base."""
    hparams = transformer_base()
    hparams.filter_size = 1376  # three matrices instead of two
    hparams.pos = "none"
    hparams.use_target_space_embedding = False
    for name, value in {
        "transformer_block": "modern",
        "ffn_activation": "swish",  # of the gate: swish or gelu
        "post_norm": False,  # a norm after each sublayer too, as in T5Gemma
        "residual_factors": True,  # a learned factor of each part of a residual sum
        "num_kv_heads": 0,  # heads of keys and values in the decoder; 0: num_heads
    }.items():
        hparams.add_hparam(name, value)
    # Random numbers for dropout are expensive on a CPU: one mask for all positions of an example.
    hparams.layer_prepostprocess_dropout_broadcast_dims = "1"
    hparams.attention_dropout = 0.0
    hparams.relu_dropout = 0.0
    # Muon for matrices and AdamW, a short warm-up and half a cosine down to 0 at the last step.
    hparams.optimizer = "muon"
    hparams.optimizer_adam_beta2 = 0.98
    hparams.weight_decay = 0.01
    hparams.clip_grad_norm = 1.0
    hparams.learning_rate_schedule = "constant*linear_warmup*single_cycle_cos_decay"
    hparams.learning_rate_constant = 0.001
    hparams.learning_rate_warmup_steps = 1000
    hparams.learning_rate_warmup_share = 0.1
    return hparams


@registry.register_hparams
def transformer_modern_big():
    """Modern block, 6 layers, 1024 wide, 16 heads: as many parameters as transformer_big."""
    hparams = transformer_modern_base()
    hparams.hidden_size = 1024
    hparams.filter_size = 2752
    hparams.num_heads = 16
    hparams.layer_prepostprocess_dropout = 0.3
    hparams.learning_rate_constant = 0.0005
    return hparams


@registry.register_hparams
def transformer_modern_small():
    """Modern block, 3 layers, 256 wide, 4 heads, for small data."""
    hparams = transformer_modern_base()
    hparams.num_hidden_layers = 3
    hparams.hidden_size = 256
    hparams.filter_size = 704
    hparams.num_heads = 4
    hparams.batch_size = 2048
    hparams.learning_rate_constant = 0.004
    hparams.learning_rate_warmup_steps = 400
    return hparams


@registry.register_hparams
def transformer_modern_tiny():
    """Modern block, 2 layers, 128 wide, 4 heads."""
    hparams = transformer_modern_small()
    hparams.num_hidden_layers = 2
    hparams.hidden_size = 128
    hparams.filter_size = 352
    hparams.learning_rate_constant = 0.008
    return hparams
