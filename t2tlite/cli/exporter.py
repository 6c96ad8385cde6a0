"""t2t-exporter: writes a trained model as a SavedModel, text in and text out, or for CTranslate2.

t2t-exporter --output_dir=model --decode_hparams="beam_size=4,alpha=0.6"
t2t-exporter --output_dir=model --format=ctranslate2 --quantization=int8
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from absl import flags

from t2tlite import registry
from t2tlite.cli import app, shared_flags, t2t_flags

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_model_flags()
flags.DEFINE_enum("format", "savedmodel", ["savedmodel", "ctranslate2"], "What to write.")
flags.DEFINE_string(
    "export_dir",
    "",
    "Folder of the SavedModels, by default OUTPUT_DIR/export, or of the CTranslate2 model, by "
    "default OUTPUT_DIR/ctranslate2.",
)
flags.DEFINE_enum(
    "quantization",
    "float32",
    ["float32", "float16", "int16", "int8"],
    "How a CTranslate2 model keeps its weights.",
)
flags.DEFINE_string("checkpoint_path", "", "A weights file, a step or best; by default the newest.")
flags.DEFINE_string("decode_hparams", "", 'How to decode: "beam_size=4,alpha=0.6,extra_length=50".')
t2t_flags.define(t2t_flags.TRAINING)


def main() -> None:
    """Writes a folder that TensorFlow Serving or CTranslate2 takes."""
    if FLAGS.registry_help:
        print(registry.help_string())
        return
    app.require("output_dir")
    if FLAGS.format == "savedmodel" and FLAGS.quantization != "float32":
        raise app.UsageError("--quantization goes with --format=ctranslate2 only")
    if FLAGS.format == "ctranslate2" and FLAGS.decode_hparams:
        raise app.UsageError("--decode_hparams is given when a CTranslate2 model is used")
    from t2tlite.checkpoint import run_record
    from t2tlite.decode.decode_hparams import DecodeHParams
    from t2tlite.decode.decoder import Decoder
    from t2tlite.devices import devices

    how = DecodeHParams().override(FLAGS.decode_hparams).check()
    run_record.read(FLAGS.output_dir)
    device = devices.choose(backend="tensorflow")
    # The folders are checked before the model is loaded.
    write, export_dir = _savedmodel() if FLAGS.format == "savedmodel" else _ctranslate2()
    decoder = Decoder(
        FLAGS.output_dir,
        FLAGS.checkpoint_path,
        how,
        usr_dirs=shared_flags.usr_dirs(),
        device=device,
    )
    log.info("wrote %s", write(decoder, export_dir))


def _savedmodel() -> tuple[Callable[..., Path], str]:
    from t2tlite.export import saved_model

    export_dir = FLAGS.export_dir or os.path.join(FLAGS.output_dir, "export")
    saved_model.check_export_dir(export_dir)
    return saved_model.export, export_dir


def _ctranslate2() -> tuple[Callable[..., Path], str]:
    from t2tlite.export import ctranslate2

    export_dir = FLAGS.export_dir or os.path.join(FLAGS.output_dir, "ctranslate2")
    ctranslate2.check_export_dir(export_dir)
    return partial(ctranslate2.export, quantization=FLAGS.quantization), export_dir


def run() -> None:
    """The console command."""
    app.run(main, __doc__, [sys.modules[__name__], shared_flags])
