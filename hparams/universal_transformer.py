"""The hparams sets of universal Transformers, with T2T's names and values."""

from t2tlite import HParams, registry

from .transformer import transformer_base, transformer_tiny
from .transformer_tpu import update_hparams_for_tpu


def update_hparams_for_universal_transformer(hparams: HParams) -> HParams:
    """Adds the hparams of a universal Transformer to those of a Transformer; returns them.

    Args:
      hparams: changed in place.
    """
    hparams.pos = "none"
    for name, value in {
        "recurrence_type": "basic",  # or "act": adaptive computation time
        "num_rec_steps": hparams.num_hidden_layers,  # steps with "basic"
        "num_inrecurrence_layers": 1,  # layers per step
        "add_position_timing_signal": True,  # add sinusoids of the positions before each step
        "add_step_timing_signal": True,  # add a signal of the step number before each step
        "step_timing_signal_type": "learned",  # or "sinusoid"
        "act_max_steps": 2 * hparams.num_hidden_layers,  # maximum number of steps with "act"
        "act_halting_bias_init": 1.0,  # bias of the halting probability
        "act_epsilon": 0.01,  # a position halts when its probabilities sum to 1 - this
        "act_loss_weight": 0.01,  # loss per step
        # Hparams of T2T's other recurrences and variants.
        "act_type": "basic",
        "add_or_concat_timing_signal": "add",
        "position_start_index": None,
        "mix_with_transformer": None,
        "num_mixedin_layers": 2,
        "transformer_ffn_type": "fc",
        "add_sru": False,
        "add_ffn_unit_to_the_transition_function": False,
        "couple_carry_transform_gates": True,
        "depth_embedding": True,
        "dwa_elements": True,
        "gate_ffn_layer": "dense",
        "lstm_forget_bias": 1.0,
        "transform_bias_init": -1.0,
        "use_memory_as_final_state": False,
    }.items():
        hparams.add_hparam(name, value)
    return hparams


@registry.register_hparams
def universal_transformer_base():
    """Base model: one layer, 1024 wide, run 6 times."""
    hparams = transformer_base()
    hparams.hidden_size = 1024
    hparams.filter_size = 4096
    hparams.num_heads = 16
    hparams.layer_prepostprocess_dropout = 0.3
    return update_hparams_for_universal_transformer(hparams)


@registry.register_hparams
def universal_transformer_big():
    """Big model: one layer, 2048 wide, run 6 times."""
    hparams = universal_transformer_base()
    hparams.hidden_size = 2048
    hparams.filter_size = 8192
    return hparams


@registry.register_hparams
def universal_transformer_small():
    """Small model: one layer, 512 wide, run 6 times."""
    return update_hparams_for_universal_transformer(transformer_base())


@registry.register_hparams
def universal_transformer_tiny():
    """Tiny model: one layer, 128 wide, run 8 times."""
    hparams = update_hparams_for_universal_transformer(transformer_tiny())
    hparams.num_rec_steps = 8
    return hparams


@registry.register_hparams
def transformer_teeny():
    """Transformer of 6 layers, 128 wide, 2 heads."""
    hparams = transformer_base()
    hparams.hidden_size = 128
    hparams.filter_size = 128
    hparams.num_heads = 2
    return hparams


@registry.register_hparams
def universal_transformer_teeny():
    """Smallest model: one layer, 128 wide, 2 heads, run 10 times."""
    hparams = update_hparams_for_universal_transformer(transformer_teeny())
    hparams.num_rec_steps = 10
    return hparams


@registry.register_hparams
def universal_transformer_tall():
    """One layer, 512 wide, run 16 times."""
    hparams = universal_transformer_small()
    hparams.num_rec_steps = 16
    return hparams


@registry.register_hparams
def universal_transformer_step_sinusoid_timing_tiny():
    """universal_transformer_tiny with a sinusoid of the step number."""
    hparams = universal_transformer_tiny()
    hparams.step_timing_signal_type = "sinusoid"
    return hparams


@registry.register_hparams
def universal_transformer_base_tpu():
    """universal_transformer_base for TPUs."""
    return _for_tpu(universal_transformer_base())


@registry.register_hparams
def adaptive_universal_transformer_base():
    """universal_transformer_base with adaptive computation time, at most 12 runs."""
    return _adaptive(universal_transformer_base())


@registry.register_hparams
def adaptive_universal_transformer_small():
    """universal_transformer_small with adaptive computation time, at most 12 runs."""
    return _adaptive(universal_transformer_small())


@registry.register_hparams
def adaptive_universal_transformer_tiny():
    """universal_transformer_tiny with adaptive computation time, at most 4 runs."""
    return _adaptive(universal_transformer_tiny())


@registry.register_hparams
def adaptive_universal_transformer_tall():
    """universal_transformer_small with adaptive computation time, at most 24 runs."""
    hparams = adaptive_universal_transformer_small()
    hparams.num_hidden_layers = 16
    hparams.batch_size = 1024
    hparams.act_max_steps = 24
    return hparams


@registry.register_hparams
def adaptive_universal_transformer_tall_actlossw0():
    """adaptive_universal_transformer_tall without a loss per run."""
    hparams = adaptive_universal_transformer_tall()
    hparams.act_loss_weight = 0.0
    return hparams


@registry.register_hparams
def adaptive_universal_transformer_tall_actlossw001():
    """adaptive_universal_transformer_tall with a tenth of the loss per run."""
    hparams = adaptive_universal_transformer_tall()
    hparams.act_loss_weight = 0.001
    return hparams


@registry.register_hparams
def adaptive_universal_transformer_base_dropout03():
    """adaptive_universal_transformer_base with dropout 0.3 everywhere."""
    return _with_dropout(adaptive_universal_transformer_base(), 0.3)


@registry.register_hparams
def adaptive_universal_transformer_base_dropout05():
    """adaptive_universal_transformer_base with dropout 0.5 everywhere."""
    return _with_dropout(adaptive_universal_transformer_base(), 0.5)


@registry.register_hparams
def adaptive_universal_transformer_base_tpu():
    """adaptive_universal_transformer_base for TPUs."""
    return _for_tpu(adaptive_universal_transformer_base())


def _adaptive(hparams: HParams) -> HParams:
    hparams.recurrence_type = "act"
    return hparams


def _with_dropout(hparams: HParams, rate: float) -> HParams:
    hparams.layer_prepostprocess_dropout = rate
    hparams.attention_dropout = rate
    hparams.relu_dropout = rate
    return hparams


def _for_tpu(hparams: HParams) -> HParams:
    update_hparams_for_tpu(hparams)
    hparams.add_step_timing_signal = False
    return hparams
