"""T2T's sets that differ from another one in a few values, with its names and values."""

from collections.abc import Callable
from typing import Any

from t2tlite import HParams, registry

from . import transformer


def _add(name: str, base: Callable[[], HParams], doc: str = "", **changes: Any) -> None:
    """Defines and registers the set `name`: another set with changes.

    Args:
      name: of the set and of the function in this module.
      base: the function of the other set.
      doc: its description in --registry_help; without it, the changes.
      changes: values by name.
    """

    def make_hparams() -> HParams:
        return base().assign(changes)

    values = ", ".join(f"{key}={value}" for key, value in changes.items())
    make_hparams.__name__ = make_hparams.__qualname__ = name
    make_hparams.__doc__ = doc or f"{base.__name__} with {values}."
    globals()[name] = registry.register_hparams(name)(make_hparams)


_BASE, _V2, _BIG = (
    transformer.transformer_base,
    transformer.transformer_base_v2,
    transformer.transformer_big,
)

# One value differs.
for _layers in (2, 4, 8, 10):
    _add(f"transformer_l{_layers}", _BASE, num_hidden_layers=_layers)
for _heads in (1, 4, 16, 32):
    _add(f"transformer_h{_heads}", _BASE, num_heads=_heads)
for _width in (128, 256):
    _add(f"transformer_k{_width}", _BASE, attention_key_channels=_width)
for _width in (1024, 4096):
    _add(f"transformer_ff{_width}", _BASE, filter_size=_width)
for _width in (256, 1024):
    _add(f"transformer_hs{_width}", _BASE, hidden_size=_width)
for _tenths in (0, 2):
    _add(f"transformer_dr{_tenths}", _BASE, layer_prepostprocess_dropout=_tenths / 10)
    _add(f"transformer_ls{_tenths}", _BASE, label_smoothing=_tenths / 10)

# Of early versions.
_add("transformer_n_da", _V2, learning_rate=0.4)
_add("transformer_n_da_l10", _V2, learning_rate=0.4, num_hidden_layers=10)

# Sizes.
_TEST_SIZE = {"num_hidden_layers": 2, "hidden_size": 16, "filter_size": 8, "num_heads": 2}
_BIG_SIZE = {"hidden_size": 1024, "filter_size": 4096, "num_heads": 16}
_add("transformer_test", _BASE, "Smallest model, for tests: 2 layers, 16 wide.", **_TEST_SIZE)
_add("transformer_big_dr1", _BASE, "transformer_big with dropout 0.1.", **_BIG_SIZE)
_add(
    "transformer_big_dr2",
    _BASE,
    "transformer_big with dropout 0.2.",
    **_BIG_SIZE,
    layer_prepostprocess_dropout=0.2,
)
_add(
    "transformer_big_enfr",
    _BASE,
    "Big model for English to French: filter size 8192, separate softmax.",
    **{**_BIG_SIZE, "filter_size": 8192},
    shared_embedding_and_softmax_weights=False,
)

# Without regularisation.
_CLEAN = {
    "label_smoothing": 0.0,
    "layer_prepostprocess_dropout": 0.0,
    "attention_dropout": 0.0,
    "relu_dropout": 0.0,
    "max_length": 0,
}
_add("transformer_clean", _V2, "Base model without dropout and label smoothing.", **_CLEAN)
_add(
    "transformer_clean_big",
    _V2,
    "Model of 1024 without dropout and label smoothing.",
    **_CLEAN,
    hidden_size=1024,
    filter_size=4096,
)

# Of published results.
_add(
    "transformer_cubbitt",
    transformer.transformer_big_single_gpu,
    "CUBBITT's big model for English and Czech, with Adafactor.",
    learning_rate_schedule="rsqrt_decay",
    learning_rate_warmup_steps=8000,
    batch_size=2900,
    max_length=150,
    layer_prepostprocess_dropout=0.0,
    optimizer="Adafactor",
)
_add(
    "transformer_parsing_base",
    _BASE,
    "Syntactic parsing with the WSJ corpus only.",
    attention_dropout=0.2,
    layer_prepostprocess_dropout=0.2,
    max_length=512,
    learning_rate=0.05,
    learning_rate_warmup_steps=16000,
    hidden_size=1024,
    shared_embedding_and_softmax_weights=False,
)
_add(
    "transformer_parsing_big",
    _BIG,
    "Syntactic parsing, semi-supervised: the big model with dropout 0.1.",
    max_length=512,
    learning_rate=0.05,
    learning_rate_warmup_steps=4000,
    layer_prepostprocess_dropout=0.1,
)
_add(
    "transformer_parsing_ice",
    transformer.transformer_base_single_gpu,
    "Parsing and tagging of Icelandic.",
    batch_size=4096,
    shared_embedding_and_softmax_weights=False,
)
_SHARED_MASKS = {
    "attention_dropout_broadcast_dims": "0,1",
    "relu_dropout_broadcast_dims": "1",
    "layer_prepostprocess_dropout_broadcast_dims": "1",
}
_add(
    "transformer_mlperf_tpu",
    _BASE,
    "The big model of the MLPerf benchmark on TPUs.",
    **_BIG_SIZE,
    **_SHARED_MASKS,
    batch_size=2048,
)

# Language models.
_add(
    "transformer_wikitext103_l4k_v0",
    _BIG,
    "Language model of WikiText-103 in texts of 4096 tokens.",
    **_SHARED_MASKS,
    optimizer="Adafactor",
    learning_rate_schedule="rsqrt_decay",
    learning_rate_warmup_steps=10000,
    num_heads=4,
    num_hidden_layers=8,
    max_length=4096,
    batch_size=4096,
    shared_embedding_and_softmax_weights=False,
    layer_prepostprocess_dropout=0.2,
    label_smoothing=0.0,
)
_PACKED_LM = {
    "layer_preprocess_sequence": "none",
    "layer_postprocess_sequence": "dan",
    "num_decoder_layers": 6,
    "num_heads": 4,
    "batch_size": 5072,
    "shared_embedding_and_softmax_weights": False,
    "label_smoothing": 0.0,
    "weight_decay": 1e-6,
    "optimizer": "Adafactor",
    "learning_rate": 0.1,
    "learning_rate_schedule": "linear_warmup*rsqrt_decay*linear_decay",
    "learning_rate_warmup_steps": 10000,
    "learning_rate_decay_steps": 27200,
}
for _name in ("transformer_ada_lmpackedbase", "transformer_ada_lmpackedbase_relative"):
    _add(
        _name,
        _V2,
        "Language model of packed rows, with Adafactor and a linear decay.",
        **_PACKED_LM,
    )
_add(
    "transformer_ada_lmpackedbase_dialog",
    _V2,
    "Language model of packed rows of 1024 tokens, with Adafactor and a linear decay.",
    **{**_PACKED_LM, "batch_size": 4096},
    max_length=1024,
)

# A decoder alone reads inputs and targets as one sequence.
_PREPEND = {"prepend_mode": "prepend_inputs_masked_attention", "max_length": 0}
_add(
    "transformer_prepend_v1",
    transformer.transformer_base_v1,
    "transformer_base_v1 as a language model of inputs and targets.",
    **_PREPEND,
)
for _name in ("transformer_prepend_v2", "transformer_prepend"):
    _add(_name, _V2, "transformer_base_v2 as a language model of inputs and targets.", **_PREPEND)

# Deep models for long texts; T2T trains most of them on several problems.
_TALL = {
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "filter_size": 3072,
    "num_heads": 12,
    "batch_size": 2048,
    "max_length": 1024,
    "eval_drop_long_sequences": True,
    "label_smoothing": 0.0,
    "clip_grad_norm": 1.0,
    "multiproblem_mixing_schedule": "pretrain",
    "multiproblem_vocab_size": 65536,
}
_TRAIN = {
    **_TALL,
    "optimizer": "true_adam",
    "learning_rate_schedule": "linear_warmup*constant*cosdecay",
    "learning_rate_constant": 2e-4,
    "learning_rate_decay_steps": 150000,
}
_FINETUNE = {
    **_TRAIN,
    "learning_rate_constant": 5e-5,
    "learning_rate_warmup_steps": 100,
    "learning_rate_decay_steps": 80000,
}
_LABELS = {
    "multiproblem_schedule_max_examples": 0,
    "multiproblem_target_eval_only": True,
    "multiproblem_reweight_label_loss": True,
    "multiproblem_label_weight": 1.0,
}
_TIED = {**_LABELS, "multiproblem_max_input_length": 750, "multiproblem_max_target_length": 100}
_SUMMARY = {"max_input_seq_length": 750, "max_target_seq_length": 100}
_CAUSAL = {**_SUMMARY, "unidirectional_encoder": True}
_add("transformer_tall", _BASE, "12 layers, 768 wide, 12 heads, for texts of 1024.", **_TALL)
_add(
    "transformer_tall_big",
    _BASE,
    "18 layers, 768 wide, 12 heads, for texts of 1024.",
    **{**_TALL, "num_hidden_layers": 18},
)
_add("transformer_tall_train_tied", _BASE, "Summaries by a language model.", **_TRAIN, **_TIED)
_add(
    "transformer_tall_finetune_tied",
    _BASE,
    "Summaries by a trained language model.",
    **_FINETUNE,
    **_TIED,
)
_add(
    "transformer_tall_train_uniencdec",
    _BASE,
    "Summaries by a causal encoder and a decoder.",
    **_TRAIN,
    **_CAUSAL,
)
_add(
    "transformer_tall_finetune_uniencdec",
    _BASE,
    "Summaries by a trained causal encoder and decoder.",
    **_FINETUNE,
    **_CAUSAL,
)
_add(
    "transformer_tall_finetune_textclass",
    _BASE,
    "Classes of texts by a trained language model.",
    **{**_TALL, **_LABELS, "multiproblem_label_weight": 0.95},
    learning_rate_schedule="linear_warmup*constant*linear_decay",
    learning_rate_constant=6.25e-5,
    learning_rate_warmup_steps=50,
    learning_rate_decay_steps=25000,
)
