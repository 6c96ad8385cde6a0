"""A server on the loopback interface, with a decode function of a test or a small model."""

import contextlib
import http.client
import json
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="needs t2tlite[serve]")
pytest.importorskip("uvicorn", reason="needs t2tlite[serve]")

import uvicorn  # noqa: E402

from t2tlite.decode.attention_maps import AttentionMap  # noqa: E402
from t2tlite.decode.decode_hparams import Hypothesis  # noqa: E402
from t2tlite.serving.app import make_app  # noqa: E402
from t2tlite.serving.batching import Batcher  # noqa: E402
from t2tlite.serving.limits import Limits  # noqa: E402
from t2tlite.serving.prometheus_metrics import Metrics  # noqa: E402
from t2tlite.serving.served_model import ATTENTION, BatchDecoder, ServedModel  # noqa: E402
from t2tlite.serving.server import listen, server_config  # noqa: E402

MODEL = Path(__file__).parents[2] / "golden" / "model"
SERVED = ServedModel(
    name="echo",
    version=7,
    feature="inputs",
    vocab_size=100,
    beam_size=2,
    samples=False,
    has_attention=True,
)


def echo(kind, contents, first=0):
    """Answers a line with its reversed text, once for each beam."""
    if kind == ATTENTION:
        return [AttentionMap("", list(answer or "?"), list(line), ()) for line, answer in contents]
    return [
        [Hypothesis(str(line)[::-1], -0.5 * beam, [len(line)]) for beam in range(kind)]
        for line in contents
    ]


class Server:
    """A running server.

    Attributes:
      address: host:port.
      batches: the number of lines of each batch.
      stop: stops it as SIGTERM does.
    """

    def __init__(self, port, batcher, batches, stop):
        self.port, self.batcher, self.batches = port, batcher, batches
        self.address = f"127.0.0.1:{port}"
        self.stop = stop

    def ask(self, method, path, body=None, headers=()):
        """Returns status, headers and body, read as JSON where it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            if not isinstance(body, bytes | None):
                body = json.dumps(body).encode()
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            content = response.read()
        if response.headers.get_content_type() == "application/json":
            content = json.loads(content)
        return response.status, response.headers, content

    def predict(self, content, name="echo"):
        status, _, answer = self.ask("POST", f"/v1/models/{name}:predict", content)
        return status, answer

    def metrics(self):
        """The samples of /metrics by their names."""
        lines = self.ask("GET", "/metrics")[2].decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


@contextlib.contextmanager
def running(decode=echo, served=SERVED, hosts=(), **limits):
    """A server that decodes with `decode`, or with a small trained model if `served` is None."""
    limits, batches = Limits(**{"stop_secs": 5, **limits}), []
    metrics = Metrics(lambda: len(batcher))

    def observe(lines):
        batches.append(lines)
        metrics.observe_batch(lines)

    def load():
        if served:
            return decode
        from t2tlite import Decoder

        return BatchDecoder(Decoder(MODEL, decode_hparams="beam_size=2,extra_length=3"))

    batcher = Batcher(load, limits, observe)
    model = batcher.wait_ready()
    app = make_app(batcher, served or model.served, limits, metrics, hosts)
    config = server_config(app, limits)
    server = uvicorn.Server(config)
    with listen(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()

        def stop():
            server.should_exit = True
            thread.join()

        try:
            until(lambda: server.started)
            yield Server(listener.getsockname()[1], batcher, batches, stop)
        finally:
            stop()
            batcher.stop(10)


def until(condition, seconds=10):
    """Waits until a condition is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not true within {seconds} s"
        time.sleep(0.005)


@pytest.fixture(scope="session")
def model_server():
    """A server with the small trained model."""
    with running(served=None) as server:
        yield server


@pytest.fixture(scope="session")
def echoing():
    """A server that tests share and don't change."""
    with running(max_body_bytes=5000, max_instances=4, max_line_length=20) as server:
        yield server


@pytest.fixture
def start():
    """A function with the arguments of `running` that starts a server for one test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **limits: stack.enter_context(running(*args, **limits))
