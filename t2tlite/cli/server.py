"""t2t-server: answers lines over HTTP with a trained model, and on a page.

t2t-server --output_dir=model
curl localhost:8501/v1/models/my_poetry_lines:predict -d '{"instances": ["the woods are lovely"]}'

The page is at http://localhost:8501/. The form of requests is TensorFlow Serving's.
"""

from __future__ import annotations

import sys

from absl import flags

from t2tlite import registry
from t2tlite.cli import app, shared_flags

FLAGS = flags.FLAGS

shared_flags.define_device_flags()
flags.DEFINE_string("output_dir", "", "Folder of the model: checkpoints, run.json, vocabulary.")
flags.DEFINE_string("checkpoint_path", "", "A weights file, a step or best; by default the newest.")
flags.DEFINE_string("decode_hparams", "", 'How to decode: "beam_size=4,alpha=0.6,extra_length=50".')
flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; 0.0.0.0: all of this machine.")
flags.DEFINE_integer("port", 8501, "Port to listen at; 0: any free one.", 0, 65535)
flags.DEFINE_string("servable_name", "", "Name of the model in addresses; default: its problem's.")
flags.DEFINE_integer("max_body_bytes", 2**20, "Bytes of a request at most.")
flags.DEFINE_integer("max_instances", 256, "Lines a request at most.")
flags.DEFINE_integer("max_line_length", 1000, "Characters (or tokens) a line at most.")
flags.DEFINE_integer("max_beam_size", 16, "Beams that a request may ask for.")
flags.DEFINE_integer("max_queue", 1024, "Lines that may wait; what comes on top gets a 503.")
flags.DEFINE_integer("max_batch_size", 64, "Lines decoded together at most.")
flags.DEFINE_float("batch_timeout_ms", 5.0, "How long a line waits for others to join it.")
flags.DEFINE_float("timeout_secs", 60.0, "Seconds until a request without an answer gets a 504.")


def main() -> None:
    """Serves."""
    if FLAGS.registry_help:
        print(registry.help_string())
        return
    app.require("output_dir")
    from t2tlite.checkpoint import run_record
    from t2tlite.decode import decoder
    from t2tlite.serve.limits import Limits
    from t2tlite.serve.server import serve

    limits = Limits(
        max_body_bytes=FLAGS.max_body_bytes,
        max_instances=FLAGS.max_instances,
        max_line_length=FLAGS.max_line_length,
        max_beam_size=FLAGS.max_beam_size,
        max_queue=FLAGS.max_queue,
        max_batch_size=FLAGS.max_batch_size,
        batch_timeout_ms=FLAGS.batch_timeout_ms,
        timeout_secs=FLAGS.timeout_secs,
    ).check()
    # Before anything slow: a wrong name must not cost a model's loading.
    how = decoder.DecodeHParams().override(FLAGS.decode_hparams).check()
    run_record.read(FLAGS.output_dir)

    def make_decoder() -> decoder.Decoder:
        return decoder.Decoder(
            FLAGS.output_dir,
            FLAGS.checkpoint_path,
            how,
            usr_dirs=shared_flags.usr_dirs(),
            device=shared_flags.device(),
        )

    serve(make_decoder, FLAGS.servable_name, (FLAGS.host, FLAGS.port), limits)


def run() -> None:
    """The console command."""
    app.run(main, __doc__, [sys.modules[__name__], shared_flags])
