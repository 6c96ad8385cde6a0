"""t2t-server: answers lines with a trained model over HTTP, and on a web page.

t2t-server --output_dir=model
curl localhost:8501/v1/models/my_poetry_lines:predict -d '{"instances": ["the woods are lovely"]}'

The page is at http://localhost:8501/. Requests have TensorFlow Serving's REST format.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from absl import flags

from t2tlite.checkpoint import run_record
from t2tlite.cli import app, shared_flags
from t2tlite.decode.decode_hparams import MAX_BEAMS, MAX_LENGTH
from t2tlite.errors import ServingError
from t2tlite.serving.limits import Limits, Options, check_hosts

FLAGS = flags.FLAGS

shared_flags.define_device_flags()
shared_flags.define_decoding_flags()
shared_flags.define_ensemble_flags()
shared_flags.define_engine_flag()
flags.DEFINE_string("output_dir", "", "Model folder: checkpoints, run.json, vocabulary.")
flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0: every interface.")
flags.DEFINE_list(
    "allowed_hosts",
    [],
    "Host names and addresses, comma-separated, by which clients reach the server, besides --host, "
    "localhost and the address that a client connects to; *: any. Other Host headers get 403.",
)
flags.DEFINE_integer("port", 8501, "Port to listen on; 0: any free port.", 0, 65535)
flags.DEFINE_string("servable_name", "", "Model name in URLs; the problem's name by default.")
flags.DEFINE_integer("max_body_bytes", 2**20, "Most bytes of a request.", 1, shared_flags.MAX)
flags.DEFINE_integer("max_instances", 256, "Most lines of a request.", 1, shared_flags.MAX)
flags.DEFINE_integer(
    "max_line_length", 1000, "Most characters (or token ids) of a line.", 1, shared_flags.MAX
)
flags.DEFINE_integer(
    "max_beam_size", 16, "Largest beam size that a request may ask for.", 1, MAX_BEAMS
)
flags.DEFINE_integer(
    "max_extra_length",
    256,
    "Largest extra_length or max_tokens that a request may ask for, if that of --decode_hparams "
    "isn't larger.",
    0,
    MAX_LENGTH,
)
flags.DEFINE_integer(
    "max_queue", 1024, "Most lines in the queue; others get 503.", 1, shared_flags.MAX
)
flags.DEFINE_integer("max_batch_size", 64, "Most lines in a batch.", 1, 100_000)
flags.DEFINE_float(
    "batch_timeout_ms", 5.0, "How long a line waits for its batch to fill.", 0.0, 1e6
)
flags.DEFINE_float("timeout_secs", 60.0, "Seconds until an unanswered request gets 504.", 1.0, 1e6)
flags.DEFINE_float(
    "stop_secs",
    20.0,
    "Seconds from SIGTERM until requests without an answer get 503.",
    0.0,
    1e6,
)
flags.DEFINE_bool(
    "watch",
    False,
    "Load each newer checkpoint of the model folder, without interrupting requests.",
)
flags.DEFINE_bool(
    "allow_reload",
    False,
    "Let clients on this machine ask for that: POST /v1/models/NAME:reload. Behind a proxy on this "
    "machine, all clients can.",
)
flags.DEFINE_string(
    "page_texts",
    "",
    "JSON file with texts of the web page in place of the problem's: an object with some of form, "
    "title, invitation, label, placeholder, action, examples.",
)
flags.DEFINE_bool("access_log", False, "Write a line of JSON for each request to stdout.")


def main() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    app.require("output_dir")
    values: dict[str, Any] = {field.name: FLAGS[field.name].value for field in fields(Limits)}
    limits = Limits(**values)
    try:
        limits.check()
        chosen: dict[str, Any] = {field.name: FLAGS[field.name].value for field in fields(Options)}
        options = Options(**chosen)
        options.check(FLAGS.checkpoint_path)
        check_hosts(FLAGS.allowed_hosts)
    except ServingError as error:
        raise app.UsageError(str(error)) from None
    from t2tlite.serving.server import Server, serve

    # Flags are checked before the slow steps: importing Keras and loading the model.
    decode_hparams = shared_flags.decode_hparams()
    run_record.read(FLAGS.output_dir)
    server = Server(
        lambda: shared_flags.load_decoder(decode_hparams, shared_flags.device()),
        FLAGS.servable_name,
        (FLAGS.host, FLAGS.port),
        limits,
        FLAGS.allowed_hosts,
        FLAGS.checkpoint_path,
        options,
    )
    serve(server)


run = app.command(main, shared_flags)
