"""Exports a model to CTranslate2, an inference engine for CPUs and GPUs without TensorFlow.

    EXPORT_DIR/
        model.bin                   the weights
        config.json                 the special tokens
        shared_vocabulary.json      a token for each id; or source_ and target_vocabulary.json
        vocab.*                     t2tlite's vocabulary file, which splits texts into these tokens

Inputs and answers are lists of tokens; CTranslate2 appends EOS to the inputs.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from t2tlite.decode.ctranslate2 import require_library, tokens, weights_checksum
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import OutputError
from t2tlite.exporting import ctranslate2_specs
from t2tlite.exporting.export_folder import content, replace, working_folder
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
    write(decoder.folder, decoder.network, decoder.checkpoint_name, target, quantization)
    return target


def write(
    model: ModelFolder, network: Any, checkpoint: str, target: Path, quantization: str = "float32"
) -> None:
    """Writes a loaded network as `export` does.

    Args:
      model: the model folder.
      network: the Keras model with the weights.
      checkpoint: the name of the weights' file, without its ending.
      target: the export's folder.
      quantization: as for `export`.
    """
    check_export_dir(target)
    spec = _spec(model, network, checkpoint)
    spec.validate()
    spec.optimize(quantization=quantization)
    with working_folder(target.parent) as folder:
        spec.save(str(folder))
        config = json.loads((folder / "config.json").read_text())
        config["model_crc32"] = weights_checksum(folder / "model.bin")
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        for name in model.run.vocabularies:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(model.path) / name, folder / name)
        replace(folder, target)


def check_export_dir(export_dir: str | os.PathLike[str]) -> None:
    """Raises OutputError if `export_dir` holds something else, or CTranslate2 isn't installed."""
    folder = Path(export_dir)
    if content(folder) and not (folder / "model.bin").exists():
        raise OutputError(
            f"{folder} isn't a CTranslate2 model (model.bin is missing) and isn't empty; choose "
            f"another --export_dir"
        )
    require_library("--format=ctranslate2")


def _spec(model: ModelFolder, network: Any, checkpoint: str) -> Any:
    """Returns CTranslate2's specification of a model, with weights and vocabularies."""
    hparams = model.hparams
    spec = ctranslate2_specs.make_spec(hparams, network)
    source, target = (tokens(model.encoders[name]) for name in ("inputs", "targets"))
    spec.register_source_vocabulary(source)
    spec.register_target_vocabulary(target)
    spec.config.layer_norm_epsilon = hparams.norm_epsilon
    spec.config.decoder_start_token = spec.config.bos_token = target[PAD_ID]
    spec.config.eos_token = target[EOS_ID]
    spec.config.unk_token = target[PAD_ID]
    spec.config.add_source_eos = True
    # Not read by CTranslate2: the decoder compares them with the model folder.
    spec.config.add_attribute("checkpoint", checkpoint)
    spec.config.add_attribute("vocabularies", model.run.vocabularies)
    return spec
