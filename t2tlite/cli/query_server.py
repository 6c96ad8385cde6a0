"""t2t-query-server: sends lines to t2t-server or TensorFlow Serving over HTTP.

t2t-query-server --server=localhost:8501 --inputs_once="the woods are lovely dark and deep"
t2t-query-server --server=localhost:8501 --servable_name=my_poetry_lines      # lines as you type

With --problem and --data_dir lines are sent as T2T sends them: as token ids in a tf.Example.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from absl import flags

from t2tlite import registry
from t2tlite.cli import app, shared_flags

FLAGS = flags.FLAGS

flags.DEFINE_string("server", "", "host:port of the server's REST interface.")
flags.DEFINE_string("servable_name", "", "Name of the model; by default the server's only model.")
flags.DEFINE_string("inputs_once", "", "Send this line, then exit.")
flags.DEFINE_integer("timeout_secs", 10, "Seconds to wait for an answer.", 1, 1_000_000)
flags.DEFINE_string("cloud_mlengine_model_name", "", "T2T's, for a service that no longer exists.")
flags.DEFINE_string("cloud_mlengine_model_version", "", "See --cloud_mlengine_model_name.")


def main() -> None:
    """Sends one line, or each line of standard input, and prints the answers."""
    if FLAGS.cloud_mlengine_model_name or FLAGS.cloud_mlengine_model_version:
        raise app.UsageError("--cloud_mlengine_*: Cloud ML Engine no longer exists; give --server")
    app.require("server")
    if FLAGS.problem and not FLAGS.data_dir:
        raise app.UsageError("--problem needs --data_dir, whose vocabulary encodes the lines")
    server = _host_and_port(FLAGS.server)
    from t2tlite.serving.client import Client

    client = Client(server, FLAGS.servable_name, FLAGS.timeout_secs)
    problem = registry.problem(FLAGS.problem) if FLAGS.problem else None
    for line in [FLAGS.inputs_once] if FLAGS.inputs_once else _input_lines():
        if problem:
            _print(line, *client.predict_ids(line, problem, FLAGS.data_dir))
        else:
            _print(line, *client.predict(line))


def _host_and_port(address: str) -> str:
    scheme, separator, rest = address.rpartition("://")
    if separator and scheme != "http":
        raise app.UsageError(
            f"--server={address}: only HTTP is supported; give the REST port as host:port"
        )
    host, _, port = rest.rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        raise app.UsageError(f"--server={address} is not host:port")
    return f"{host}:{port}"


def _input_lines() -> Iterator[str]:
    """Yields the lines of standard input that aren't blank; prompts on a terminal."""
    from t2tlite.interactive.prompt import piped_lines

    for line in _typed_lines() if sys.stdin.isatty() else piped_lines():
        if line.strip():
            yield line


def _typed_lines() -> Iterator[str]:
    with contextlib.suppress(EOFError):
        while True:
            yield input(">> ")


def _print(line: str, outputs: Any, scores: Any) -> None:
    """Prints an answer, or an n-best list, in T2T's format."""

    def number(score: float | None) -> str:
        return "?" if score is None else f"{score:.3f}"

    if isinstance(scores, list):
        score = f"Scores [{','.join(map(number, scores))}]"
    else:
        score = f"Score {number(scores)}"
    texts = "\n".join(map(str, outputs)) if isinstance(outputs, list) else outputs
    print(f"\nInput:\n{line}\n\nOutput ({score}):\n{texts}\n", flush=True)


run = app.command(main, shared_flags)
