"""t2t-query-server: asks a server of a trained model, t2t-server or TensorFlow Serving, over HTTP.

t2t-query-server --server=localhost:8501 --inputs_once="the woods are lovely dark and deep"
t2t-query-server --server=localhost:8501 --servable_name=my_poetry_lines      # lines as you type

With --problem and --data_dir lines are sent as T2T did: encoded here, in a tf.Example.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from absl import flags

from t2tlite import registry
from t2tlite.cli import app, shared_flags

FLAGS = flags.FLAGS

flags.DEFINE_string("server", "", "The server, as host:port, of its REST interface.")
flags.DEFINE_string("servable_name", "", "Name of the model; by default the only one there.")
flags.DEFINE_string("inputs_once", "", "Ask this one line.")
flags.DEFINE_integer("timeout_secs", 10, "Seconds to wait for an answer.", 1)
flags.DEFINE_string("cloud_mlengine_model_name", "", "T2T's, of a service that no longer exists.")
flags.DEFINE_string("cloud_mlengine_model_version", "", "As --cloud_mlengine_model_name.")


def main() -> None:
    """Asks one line, or each that is typed."""
    if FLAGS.registry_help:
        print(registry.help_string())
        return
    if FLAGS.cloud_mlengine_model_name or FLAGS.cloud_mlengine_model_version:
        raise app.UsageError(
            "--cloud_mlengine_model_name: Cloud ML Engine no longer exists; give --server"
        )
    app.require("server")
    if FLAGS.problem and not FLAGS.data_dir:
        raise app.UsageError("--problem encodes lines here, which needs its --data_dir")
    server = _host_and_port(FLAGS.server)
    from t2tlite.serve.client import Client

    client = Client(server, FLAGS.servable_name, FLAGS.timeout_secs)
    problem = registry.problem(FLAGS.problem) if FLAGS.problem else None
    for line in [FLAGS.inputs_once] if FLAGS.inputs_once else _typed():
        if problem:
            outputs, scores = client.predict_ids(line, problem, FLAGS.data_dir)
        else:
            outputs, scores = client.predict(line)
        _print(line, outputs, scores)


def _host_and_port(given: str) -> str:
    scheme, slashes, rest = given.rpartition("://")
    if slashes and scheme != "http":
        raise app.UsageError(
            f"--server={given}: only HTTP is spoken here; give the REST port as host:port"
        )
    host, _, port = rest.rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        raise app.UsageError(f"--server={given} is not host:port")
    return f"{host}:{port}"


def _typed() -> Iterator[str]:
    """Yields lines, with a prompt on a terminal."""
    while True:
        try:
            line = input(">> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        if line.strip():
            yield line


def _print(line: str, outputs: object, scores: object) -> None:
    """Prints an answer as T2T does."""
    several = isinstance(scores, list)
    numbers = scores if isinstance(scores, list) else [scores]
    told = ",".join("?" if one is None else f"{one:.3f}" for one in numbers)
    score = f"Scores [{told}]" if several else f"Score {told}"
    texts = "\n".join(map(str, outputs)) if isinstance(outputs, list) else outputs
    print(f"\nInput:\n{line}\n\nOutput ({score}):\n{texts}\n", flush=True)


def run() -> None:
    """The console command."""
    app.run(main, __doc__, [sys.modules[__name__], shared_flags])
