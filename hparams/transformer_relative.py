"""The hparams sets of Transformers with relative positions, with T2T's names and values."""

from t2tlite import HParams, registry

from .transformer import transformer_base, transformer_big, transformer_tiny


def _with_relative_positions(hparams: HParams) -> HParams:
    hparams.pos = "none"
    hparams.self_attention_type = "dot_product_relative"
    hparams.max_relative_position = 20
    return hparams


@registry.register_hparams
def transformer_relative():
    """Base model with relative positions up to distance 20 instead of sinusoids."""
    return _with_relative_positions(transformer_base())


@registry.register_hparams
def transformer_relative_tiny():
    """Tiny model with relative positions: 2 layers, 128 wide, 4 heads."""
    return _with_relative_positions(transformer_tiny())


@registry.register_hparams
def transformer_relative_big():
    """Big model with relative positions: 6 layers, 1024 wide, 16 heads."""
    return _with_relative_positions(transformer_big())
