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
from t2tlite.serving.reloading import Reloader  # noqa: E402
from t2tlite.serving.served_model import (  # noqa: E402
    ATTENTION,
    BatchDecoder,
    SeededLine,
    ServedModel,
    Settings,
)
from t2tlite.serving.server import listen, server_config  # noqa: E402

MODEL = Path(__file__).parents[2] / "golden" / "model"
SERVED = ServedModel(
    name="echo",
    version=7,
    checkpoint="model.ckpt-7",
    load_seconds=1.5,
    feature="inputs",
    vocab_size=100,
    settings=Settings(beam_size=2, sampling_method="argmax"),
    has_attention=True,
    encode=lambda text, tag: [*map(ord, text), 1],
    decode=lambda ids: "".join(map(chr, ids)),
)


def text_of(content):
    """The text of a line, however it comes."""
    line = content.line if isinstance(content, SeededLine) else content
    return line if isinstance(line, str) else SERVED.decode(line)


def reversed_text(content, size=None, score=0.0):
    """An answer: the first letters of the reversed text."""
    text = text_of(content)[::-1][:size]
    return Hypothesis(text, score, list(map(ord, text)))


def echo(kind, contents, first=0):
    """Answers a line with its reversed text, once for each beam."""
    if kind == ATTENTION:
        return [AttentionMap("", list(answer or "?"), list(line), ()) for line, answer in contents]
    beams = 1 if kind.samples else kind.beam_size
    return [[reversed_text(line, None, -0.5 * i) for i in range(beams)] for line in contents]


def echo_letters(kind, content):
    """The same letter by letter."""
    for size in range(1, len(text_of(content)) + 1):
        yield reversed_text(content, size, -0.5 * size)


echo.stream = echo_letters


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

    def events(self, path, body):
        """Returns the name and content of each Server-Sent Event of an answer."""
        status, headers, content = self.ask("POST", path, body)
        assert (status, headers.get_content_type()) == (200, "text/event-stream"), content
        parts = content.decode().removesuffix("\n\n").split("\n\n")
        found = []
        for part in parts:
            *name, data = part.splitlines()
            assert data.startswith("data: ")
            data = data.removeprefix("data: ")
            content = data if data == "[DONE]" else json.loads(data)
            found.append((name[0].removeprefix("event: ") if name else "", content))
        return found

    def predict(self, content, name="echo"):
        status, _, answer = self.ask("POST", f"/v1/models/{name}:predict", content)
        return status, answer

    def metrics(self):
        """The samples of /metrics by their names."""
        lines = self.ask("GET", "/metrics")[2].decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


@contextlib.contextmanager
def running(decode=echo, served=SERVED, hosts=(), reloads=False, **limits):
    """A server that decodes with `decode`; if `served` is None, `decode` loads a `BatchDecoder`."""
    limits, batches = Limits(**{"stop_secs": 5, **limits}), []

    def now():
        return served or model.served

    def observe(lines):
        batches.append(lines)
        metrics.observe_batch(lines)

    metrics = Metrics(lambda: len(batcher), now)
    batcher = Batcher((lambda: decode) if served else decode, limits, observe)
    model = batcher.wait_ready()
    reloader = Reloader(batcher, model, metrics.observe_reload) if reloads else None
    app = make_app(batcher, now, limits, metrics, hosts, reloader)
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

    def load():
        from t2tlite import Decoder

        return BatchDecoder(Decoder(MODEL, decode_hparams="beam_size=2,extra_length=3"))

    with running(load, None) as server:
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
