"""A model as CTranslate2 describes one: which it can express, and where each weight goes.

Three differences between the engines are folded into the weights: the embedding of the target space
is added to the encoder's positions, the vector that a decoder starts with becomes the embedding of
PAD, and the factors of the modern block's sums go into what is added.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from t2tlite.config import PAD_ID, HParams
from t2tlite.decode.ctranslate2 import POSITIONS
from t2tlite.errors import HParamsError
from t2tlite.model import modern
from t2tlite.model.layers import sinusoids
from t2tlite.model.transformer import Transformer


def make_spec(hparams: HParams, network: Any) -> Any:
    """Returns CTranslate2's `TransformerSpec` of a model, with its weights.

    Raises:
      HParamsError: CTranslate2 can't express the model.
    """
    check_expressible(hparams, network)
    is_modern = isinstance(network.decoder, modern.ModernStack)
    spec = _modern_spec(hparams, network) if is_modern else _t2t_spec(hparams, network)
    _fill_embedding(spec.encoder, spec.encoder.embeddings[0], network.input_embedding)
    _fill_embedding(spec.decoder, spec.decoder.embeddings, network.target_embedding)
    spec.decoder.projection.weight = _table(network.softmax)
    if is_modern:
        scale = network.target_embedding.width**0.5 / network.target_embedding.scale
        spec.decoder.embeddings.weight[PAD_ID] = _array(network.decoder.start_D) * scale
    return spec


def check_expressible(hparams: HParams, network: Any) -> None:
    """Raises HParamsError, with the hparams at fault, if CTranslate2 can't express the model."""
    unsupported = {
        "unidirectional_encoder": hparams.unidirectional_encoder,
        "prepend_mode": hparams.prepend_mode != "none",
    }
    if "transformer_block" in hparams.extra:
        unsupported["use_target_space_embedding"] = hparams.use_target_space_embedding
    else:
        unsupported |= _unsupported_of_t2t(hparams)
    problems = [f"{name}={getattr(hparams, name)}" for name, bad in unsupported.items() if bad]
    # Not isinstance: a subclass may compute something else.
    if type(network) is not Transformer:
        problems = [f"the model class {type(network).__qualname__}"]
    elif not network.has_inputs and not problems:
        problems = ["a language model"]
    if problems:
        raise HParamsError(
            f"CTranslate2 can't express {' and '.join(problems)}; expected an encoder-decoder as "
            f"in the set transformer_base: use --format=savedmodel"
        )


def _array(variable: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(variable), np.float32)


def _table(embedding: Any) -> np.ndarray:
    """Returns an embedding's rows without the padding to a multiple of vocab_divisor."""
    return _array(embedding.weight_VD)[: embedding.vocab_size]


def _fill_embedding(part: Any, spec: Any, embedding: Any) -> None:
    rows = _table(embedding).copy()
    rows[PAD_ID] = 0
    spec.weight = rows
    part.scale_embeddings = embedding.scale != 1


def _fill_linear(spec: Any, *layers: Any) -> None:
    """Concatenates the layers' weights to one matrix [outputs, inputs]."""
    spec.weight = np.concatenate([_array(layer.kernel).T for layer in layers])
    if layers[0].use_bias:
        spec.bias = np.concatenate([_array(layer.bias) for layer in layers])


def _fill_attention(spec: Any, cross_spec: Any, block: Any) -> None:
    """Fills in the projections of a block's self-attention, and of its cross-attention if any."""
    own, cross = block.self_attention, block.cross_attention
    _fill_linear(spec.linear[0], own.query, own.key, own.value)
    _fill_linear(spec.linear[1], own.output_transform)
    if cross is not None:
        _fill_linear(cross_spec.linear[0], cross.query)
        _fill_linear(cross_spec.linear[1], cross.key, cross.value)
        _fill_linear(cross_spec.linear[2], cross.output_transform)


# ---- T2T's block


def _norms(hparams: HParams) -> list[str]:
    """Returns the operations before and after a sublayer, without dropout."""
    sequences = hparams.layer_preprocess_sequence, hparams.layer_postprocess_sequence
    return [sequence.replace("none", "").replace("d", "") for sequence in sequences]


def _unsupported_of_t2t(hparams: HParams) -> dict[str, bool]:
    names, width = ["layer_preprocess_sequence", "layer_postprocess_sequence"], hparams.hidden_size
    return {
        "self_attention_type": hparams.self_attention_type != "dot_product",
        "attention_key_channels": hparams.attention_key_channels not in (0, width),
        "attention_value_channels": hparams.attention_value_channels not in (0, width),
        **dict.fromkeys(names, _norms(hparams) not in (["n", "a"], ["", "an"])),
    }


def _t2t_spec(hparams: HParams, network: Any) -> Any:
    from ctranslate2.specs import TransformerSpec

    pre_norm = _norms(hparams) == ["n", "a"]
    layers = len(network.encoder.blocks), len(network.decoder.blocks)
    spec = TransformerSpec.from_config(layers, hparams.num_heads, pre_norm=pre_norm)
    positions = ops.convert_to_numpy(sinusoids(np.arange(POSITIONS), hparams.hidden_size))
    if hparams.pos == "none":
        positions = np.zeros_like(positions)
    space = np.zeros_like(positions[0])
    if network.spaces is not None:
        space = _array(network.spaces.embeddings)[network.target_space]
    spec.encoder.position_encodings.encodings = positions + space
    spec.decoder.position_encodings.encodings = positions
    for part, stack in ((spec.encoder, network.encoder), (spec.decoder, network.decoder)):
        for layer, block in zip(part.layer, stack.blocks, strict=True):
            _fill_t2t_block(layer, block, pre_norm)
        if pre_norm:
            _fill_layer_norm(part.layer_norm, stack.finish)
    return spec


def _fill_t2t_block(spec: Any, block: Any, pre_norm: bool) -> None:
    def norm(name: str) -> Any:
        return getattr(block, f"{name}_before" if pre_norm else f"{name}_after")

    _fill_attention(spec.self_attention, getattr(spec, "attention", None), block)
    _fill_layer_norm(spec.self_attention.layer_norm, norm("self"))
    if block.cross_attention is not None:
        _fill_layer_norm(spec.attention.layer_norm, norm("cross"))
    _fill_linear(spec.ffn.linear_0, block.feed_forward.inner)
    _fill_linear(spec.ffn.linear_1, block.feed_forward.outer)
    _fill_layer_norm(spec.ffn.layer_norm, norm("feed"))


def _fill_layer_norm(spec: Any, process: Any) -> None:
    spec.gamma = _array(process.norm.gamma)
    spec.beta = _array(process.norm.beta)


# ---- the modern block


def _modern_spec(hparams: HParams, network: Any) -> Any:
    from ctranslate2.specs import TransformerSpec, common_spec
    from ctranslate2.specs.transformer_spec import TransformerDecoderSpec, TransformerEncoderSpec

    activations = {"swish": "SWISH", "gelu": "GELUTanh"}
    shared = {
        "pre_norm": True,
        "activation": common_spec.Activation[activations[hparams.ffn_activation]],
        "ffn_glu": True,
        "rms_norm": True,
        "rotary_dim": 0,  # all of a head
        "rotary_interleave": False,
        "rotary_base": modern.ROTARY_BASE,
        "pre_post_layer_norm": hparams.post_norm,
    }
    heads, groups = hparams.num_heads, hparams.num_kv_heads or None
    spec = TransformerSpec(
        TransformerEncoderSpec(len(network.encoder.blocks), heads, **shared),
        TransformerDecoderSpec(
            len(network.decoder.blocks),
            heads,
            num_heads_kv=groups,
            external_pre_post_encoder_layers=hparams.post_norm,
            **shared,
        ),
    )
    # Positions are rotary.
    del spec.encoder.position_encodings
    for part, stack in ((spec.encoder, network.encoder), (spec.decoder, network.decoder)):
        scale = 1.0
        for layer, block in zip(part.layer, stack.blocks, strict=True):
            scale = _fill_modern_block(layer, block, scale)
        part.layer_norm.gamma = _array(stack.finish.gamma_D) * np.sign(scale)
    return spec


def _fill_modern_block(spec: Any, block: Any, scale: float) -> float:
    """Fills in a block.

    CTranslate2 adds without factors. So its sums are ours divided by all factors of what is kept;
    the norm before the next sublayer undoes the division.

    Args:
      scale: our input of the block divided by CTranslate2's.

    Returns:
      The same of its output.
    """
    own, cross, feed = spec.self_attention, getattr(spec, "attention", None), block.feed_forward
    _fill_attention(own, cross, block)
    _fill_linear(spec.ffn.linear_0, feed.gate)
    _fill_linear(spec.ffn.linear_0_noact, feed.inner)
    _fill_linear(spec.ffn.linear_1, feed.outer)
    cross_norms: tuple[Any, ...]
    if block.self_after.norm is None:
        own_norms, feed_norms = (own.layer_norm, None), (spec.ffn.layer_norm, None)
        cross_norms = (cross and cross.layer_norm, None)
    else:
        own_norms = (spec.input_layer_norm, spec.post_attention_layer_norm)
        feed_norms = (spec.pre_feedforward_layer_norm, spec.post_feedforward_layer_norm)
        cross_norms = tuple(
            getattr(spec, f"external_{place}_encoder_attention_layer_norm", None)
            for place in ("pre", "post")
        )
    sublayers = [(own_norms, own.linear[1], block.self_before, block.self_after)]
    if cross is not None:
        sublayers.append((cross_norms, cross.linear[2], block.cross_before, block.cross_after))
    sublayers.append((feed_norms, spec.ffn.linear_1, block.feed_before, block.feed_after))
    for (before, after), output, norm, residual in sublayers:
        before.gamma = _array(norm.gamma_D) * np.sign(scale)
        scale *= float(_array(residual.kept))
        factor = np.float32(_array(residual.added) / scale)
        if after is None:
            output.weight = output.weight * factor
        else:
            after.gamma = _array(residual.norm.gamma_D) * factor
    return scale
