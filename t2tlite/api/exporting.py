"""`export`: t2t-exporter as a function."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from t2tlite import libraries
from t2tlite.api.arguments import PathLike, checked, load_decoder
from t2tlite.checkpoint import run_record
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.decoder import Decoder
from t2tlite.devices import devices
from t2tlite.errors import OutputError
from t2tlite.files import folder_path

# Module and default folder, below the model folder, by format.
_FORMATS = {"savedmodel": ("saved_model", "export"), "ctranslate2": ("ctranslate2", "ctranslate2")}
_QUANTIZATIONS = ("float32", "float16", "int16", "int8")


@checked
def export(
    output_dir: PathLike | Decoder,
    export_dir: PathLike = "",
    *,
    format: str = "savedmodel",
    checkpoint_path: PathLike | int = "",
    decode_hparams: str | Mapping[str, Any] | DecodeHParams = "",
    quantization: str = "float32",
    t2t_usr_dir: PathLike | Sequence[PathLike] = "",
) -> Path:
    """Writes a trained model for TensorFlow Serving or for CTranslate2.

    >>> export("model", format="ctranslate2", quantization="int8").name
    'ctranslate2'

    Args:
      output_dir: the model folder, or a loaded Decoder.
      export_dir: by default the folder "export" or "ctranslate2" in the model folder.
      format: "savedmodel", for text and for T2T's clients; or "ctranslate2".
      checkpoint_path: a step, the path of a weights file, or "best"; "": the newest.
      decode_hparams: how a SavedModel decodes, as for `Decoder`.
      quantization: type of the weights for CTranslate2: float32, float16, int16 or int8.
      t2t_usr_dir: plugin folders to load first.

    Returns:
      The folder that was written; a SavedModel's is named by its version.

    Raises:
      Error: there is no model, it can't be expressed in the format, or the folder can't be written.
    """
    if format not in _FORMATS or quantization not in _QUANTIZATIONS:
        raise OutputError(
            f"format={format!r}, quantization={quantization!r}; expected a format of "
            f"{', '.join(_FORMATS)} and a quantization of {', '.join(_QUANTIZATIONS)}"
        )
    if format == "savedmodel" and quantization != "float32":
        raise OutputError("quantization needs format='ctranslate2'")
    if format == "ctranslate2" and decode_hparams:
        raise OutputError(
            "decode_hparams have no effect on a CTranslate2 model; give them where it decodes"
        )
    name, default = _FORMATS[format]
    model_dir = output_dir.output_dir if isinstance(output_dir, Decoder) else output_dir
    model_dir = folder_path(model_dir, "output_dir")
    run_record.read(model_dir)
    target = folder_path(export_dir, "export_dir", required=False) or str(Path(model_dir, default))
    if format == "savedmodel":
        libraries.require_tensorflow("a SavedModel")
    device = devices.choose(backend="tensorflow" if format == "savedmodel" else "")
    exporter = importlib.import_module(f"t2tlite.exporting.{name}")
    exporter.check_export_dir(target)
    decoder = load_decoder(output_dir, checkpoint_path, decode_hparams, t2t_usr_dir, device)
    options = {"quantization": quantization} if format == "ctranslate2" else {}
    written: Path = exporter.export(decoder, target, **options)
    return written
