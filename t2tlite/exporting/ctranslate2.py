"""Exports a model to CTranslate2, an inference engine for CPUs and GPUs without TensorFlow.

    EXPORT_DIR/
        model.bin                   the weights
        config.json                 the special tokens
        shared_vocabulary.json      a token for each id; or source_ and target_vocabulary.json
        vocab.*                     t2tlite's vocabulary file, which splits texts into these tokens

Inputs and answers are lists of tokens; CTranslate2 appends EOS to the inputs.

Two differences between the engines are folded into the weights: the embedding of the target space
is added to the encoder's positions, and the zero vector that a decoder starts with becomes the
embedding of PAD.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from t2tlite.config import HParams
from t2tlite.decode.ctranslate2 import POSITIONS, require_library, tokens, weights_checksum
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import HParamsError, OutputError
from t2tlite.exporting.export_folder import content, replace, working_folder
from t2tlite.model.layers import sinusoids
from t2tlite.model.transformer import Transformer
from t2tlite.text import EOS_ID, PAD_ID


def export(
    decoder: Decoder, export_dir: str | os.PathLike[str], quantization: str = "float32"
) -> Path:
    """Writes the model as a CTranslate2 folder, whole or not at all; replaces an older export.

    Projections and embeddings get the type `quantization`: float32, float16, int16 or int8.

    Raises:
      HParamsError: CTranslate2 can't express the model.
      VocabularyError: a vocabulary has no token for each id.
      OutputError: `check_export_dir` refuses the folder, or it can't be written.
    """
    target = Path(export_dir).expanduser().absolute()
    check_export_dir(target)
    spec = _spec(decoder)
    spec.validate()
    spec.optimize(quantization=quantization)
    with working_folder(target.parent) as folder:
        spec.save(str(folder))
        config = json.loads((folder / "config.json").read_text())
        config["model_crc32"] = weights_checksum(folder / "model.bin")
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        for name in decoder.run.vocabularies:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(decoder.output_dir) / name, folder / name)
        replace(folder, target)
    return target


def check_export_dir(export_dir: str | os.PathLike[str]) -> None:
    """Raises OutputError if `export_dir` holds something else, or CTranslate2 isn't installed."""
    folder = Path(export_dir)
    if content(folder) and not (folder / "model.bin").exists():
        raise OutputError(
            f"{folder} isn't a CTranslate2 model (model.bin is missing) and isn't empty; choose "
            f"another --export_dir"
        )
    require_library("--format=ctranslate2")


def _spec(decoder: Decoder) -> Any:
    """Returns CTranslate2's specification of a model, with weights and vocabularies."""
    from ctranslate2.specs import TransformerSpec

    hparams, network = decoder.hparams, decoder.network
    pre_norm = check_expressible(hparams, network)
    spec = TransformerSpec.from_config(
        (len(network.encoder.blocks), len(network.decoder.blocks)),
        hparams.num_heads,
        pre_norm=pre_norm,
    )
    positions = ops.convert_to_numpy(sinusoids(np.arange(POSITIONS), hparams.hidden_size))
    if hparams.pos == "none":
        positions = np.zeros_like(positions)
    space = np.zeros_like(positions[0])
    if network.spaces is not None:
        space = _array(network.spaces.embeddings)[network.target_space]
    _fill_embedding(spec.encoder, spec.encoder.embeddings[0], network.input_embedding)
    _fill_embedding(spec.decoder, spec.decoder.embeddings, network.target_embedding)
    spec.encoder.position_encodings.encodings = positions + space
    spec.decoder.position_encodings.encodings = positions
    spec.decoder.projection.weight = _table(network.softmax)
    for part, stack in ((spec.encoder, network.encoder), (spec.decoder, network.decoder)):
        for layer, block in zip(part.layer, stack.blocks, strict=True):
            _fill_block(layer, block, pre_norm)
        if pre_norm:
            _fill_norm(part.layer_norm, stack.finish)
    source, target = (tokens(decoder.encoders[name]) for name in ("inputs", "targets"))
    spec.register_source_vocabulary(source)
    spec.register_target_vocabulary(target)
    spec.config.layer_norm_epsilon = hparams.norm_epsilon
    spec.config.decoder_start_token = spec.config.bos_token = target[PAD_ID]
    spec.config.eos_token = target[EOS_ID]
    spec.config.unk_token = target[PAD_ID]
    spec.config.add_source_eos = True
    # Not read by CTranslate2: the decoder compares them with the model folder.
    spec.config.add_attribute("checkpoint", decoder.checkpoint_name)
    spec.config.add_attribute("vocabularies", decoder.run.vocabularies)
    return spec


def check_expressible(hparams: HParams, network: Any) -> bool:
    """Returns whether the model is pre-norm, else post-norm; HParamsError if neither."""
    names = ["layer_preprocess_sequence", "layer_postprocess_sequence"]
    norms = [getattr(hparams, name).replace("none", "").replace("d", "") for name in names]
    width = hparams.hidden_size
    unsupported = {
        "unidirectional_encoder": hparams.unidirectional_encoder,
        "prepend_mode": hparams.prepend_mode != "none",
        "self_attention_type": hparams.self_attention_type != "dot_product",
        "attention_key_channels": hparams.attention_key_channels not in (0, width),
        "attention_value_channels": hparams.attention_value_channels not in (0, width),
        **dict.fromkeys(names, norms not in (["n", "a"], ["", "an"])),
    }
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
    return norms == ["n", "a"]


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


def _fill_block(spec: Any, block: Any, pre_norm: bool) -> None:
    def norm(name: str) -> Any:
        return getattr(block, f"{name}_before" if pre_norm else f"{name}_after")

    own = block.self_attention
    _fill_linear(spec.self_attention.linear[0], own.query, own.key, own.value)
    _fill_linear(spec.self_attention.linear[1], own.output_transform)
    _fill_norm(spec.self_attention.layer_norm, norm("self"))
    cross = block.cross_attention
    if cross is not None:
        _fill_linear(spec.attention.linear[0], cross.query)
        _fill_linear(spec.attention.linear[1], cross.key, cross.value)
        _fill_linear(spec.attention.linear[2], cross.output_transform)
        _fill_norm(spec.attention.layer_norm, norm("cross"))
    _fill_linear(spec.ffn.linear_0, block.feed_forward.inner)
    _fill_linear(spec.ffn.linear_1, block.feed_forward.outer)
    _fill_norm(spec.ffn.layer_norm, norm("feed"))


def _fill_linear(spec: Any, *layers: Any) -> None:
    """Concatenates the layers' weights to one matrix [outputs, inputs]."""
    spec.weight = np.concatenate([_array(layer.kernel).T for layer in layers])
    if layers[0].use_bias:
        spec.bias = np.concatenate([_array(layer.bias) for layer in layers])


def _fill_norm(spec: Any, process: Any) -> None:
    spec.gamma = _array(process.norm.gamma)
    spec.beta = _array(process.norm.beta)
