"""t2t-exporter: writes a trained model as a SavedModel, text in and text out.

t2t-exporter --output_dir=model --decode_hparams="beam_size=4,alpha=0.6"
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from absl import flags

from t2tlite import registry
from t2tlite.cli import app, shared_flags, t2t_flags

FLAGS = flags.FLAGS
log = logging.getLogger("t2tlite.cli")

shared_flags.define_model_flags()
flags.DEFINE_string("export_dir", "", "Folder of the exports; by default OUTPUT_DIR/export.")
flags.DEFINE_string("checkpoint_path", "", "A weights file or a step; by default the newest.")
flags.DEFINE_string("decode_hparams", "", 'How to decode: "beam_size=4,alpha=0.6,extra_length=50".')
t2t_flags.define(t2t_flags.TRAINING)


def main() -> None:
    """Writes a folder that TensorFlow Serving takes."""
    if FLAGS.registry_help:
        print(registry.help_string())
        return
    app.require("output_dir")
    from t2tlite.run import decoding, devices

    how = decoding.DecodeHParams().override(FLAGS.decode_hparams).check()
    device = devices.choose(backend="tensorflow")
    from t2tlite.run import exporting

    export_dir = FLAGS.export_dir or Path(FLAGS.output_dir) / "export"
    # Checked before anything slow.
    exporting.check_export_dir(export_dir)
    decoder = decoding.Decoder(
        FLAGS.output_dir,
        FLAGS.checkpoint_path,
        how,
        usr_dirs=shared_flags.usr_dirs(),
        device=device,
    )
    log.info("wrote %s", exporting.export(decoder, export_dir))


def run() -> None:
    """The console command."""
    app.run(main, __doc__, [sys.modules[__name__], shared_flags])
