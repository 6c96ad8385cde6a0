"""t2t-exporter: writes a trained model as a SavedModel, for T2T's clients too, or for CTranslate2.

t2t-exporter --output_dir=model --decode_hparams="beam_size=4,alpha=0.6"
t2t-exporter --output_dir=model --format=ctranslate2 --quantization=int8
"""

from __future__ import annotations

import logging
import os
from typing import Any

from absl import flags

from t2tlite import libraries
from t2tlite.checkpoint import run_record
from t2tlite.cli import app, shared_flags, t2t_flags
from t2tlite.devices import devices

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_model_flags()
shared_flags.define_decoding_flags()
flags.DEFINE_enum("format", "savedmodel", ["savedmodel", "ctranslate2"], "Format of the export.")
flags.DEFINE_string("export_dir", "", "By default OUTPUT_DIR/export or OUTPUT_DIR/ctranslate2.")
TYPES = ["float32", "float16", "int16", "int8"]
flags.DEFINE_enum("quantization", TYPES[0], TYPES, "Type of the weights for CTranslate2.")
t2t_flags.define(
    t2t_flags.EXPORTING,
    {
        **t2t_flags.REFUSED,
        "export_as_tfhub": ("false", "tensorflow_hub.load reads the SavedModel itself"),
    },
)


def main() -> None:
    """Writes a folder for TensorFlow Serving or for CTranslate2."""
    app.require("output_dir")
    if FLAGS.format == "savedmodel" and FLAGS.quantization != "float32":
        raise app.UsageError("--quantization needs --format=ctranslate2")
    if FLAGS.format == "ctranslate2" and FLAGS.decode_hparams:
        raise app.UsageError(
            "--decode_hparams has no effect on a CTranslate2 model; give it to t2t-decoder"
        )
    # Flags and folders are checked before the slow steps: importing Keras and loading the model.
    decode_hparams = shared_flags.decode_hparams()
    run_record.read(FLAGS.output_dir)
    export: Any
    if FLAGS.format == "savedmodel":
        libraries.require_tensorflow("a SavedModel")
        device = devices.choose(backend="tensorflow")
        from t2tlite.exporting import saved_model as export

        name, options = "export", {}
    else:
        device = devices.choose()
        from t2tlite.exporting import ctranslate2 as export

        name, options = "ctranslate2", {"quantization": FLAGS.quantization}
    export_dir = FLAGS.export_dir or os.path.join(FLAGS.output_dir, name)
    export.check_export_dir(export_dir)
    decoder = shared_flags.load_decoder(decode_hparams, device)
    log.info("wrote %s", export.export(decoder, export_dir, **options))


run = app.command(main, shared_flags)
