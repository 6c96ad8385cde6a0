"""The client of TensorFlow Serving's REST interface, with t2t-server and with other servers."""

import http.server
import json
import threading

import pytest

from t2tlite import registry
from t2tlite.errors import ServingError
from t2tlite.serving.client import Client
from tests.unit.serving.conftest import MODEL


def test_text_and_ids_get_the_same_answer(model_server):
    client = Client(model_server.address)
    outputs, score = client.predict("3 1 4")
    assert outputs == "4 1 3"
    assert score < 0
    # As T2T's client does: encoded with the vocabulary of a data folder.
    text, same = client.predict_ids("3 1 4", registry.problem("reverse_digits"), str(MODEL))
    assert (text, same) == (outputs, pytest.approx(score))


@pytest.mark.parametrize(
    ("address", "name", "message"),
    [
        ("127.0.0.1:1", "", "can't connect to"),
        ("{}", "other", "refused (404): no model 'other'; expected reverse_digits"),
    ],
)
def test_errors(model_server, address, name, message):
    with pytest.raises(ServingError) as caught:
        Client(address.format(model_server.address), name).predict("1 2")
    assert message in str(caught.value)


@pytest.fixture
def other_server():
    """A function that starts a server with a fixed answer and returns its address."""
    servers = []

    def start(body, dtype="DT_STRING"):
        signatures = {"any_name": {"outputs": {"outputs": {"dtype": dtype}}}}
        metadata = {"metadata": {"signature_def": {"signature_def": signatures}}}

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(json.dumps(metadata).encode())

            def do_POST(self):
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert content.get("signature_name", "any_name") == "any_name"
                self.answer(body)

            def answer(self, content):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        servers.append(http.server.HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever).start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield start
    for one in servers:
        one.shutdown()
        one.server_close()


def test_a_server_of_another_kind(other_server):
    with pytest.raises(ServingError, match="is it a gRPC port"):
        Client(other_server(b"<html>"), "m").predict("a")
    with pytest.raises(ServingError, match="without outputs and scores; is m a text model"):
        Client(other_server(json.dumps({"predictions": [[0.1]]}).encode()), "m").predict("a")
    with pytest.raises(ServingError, match="m of .* takes token ids only; give --problem and"):
        Client(other_server(b"", "DT_INT32"), "m").predict("a")


@pytest.mark.parametrize("outputs", [[1], [[1], [0]]])
def test_a_label_may_have_the_number_of_eos(classifier, monkeypatch, outputs):
    monkeypatch.setattr(Client, "_predict", lambda *_: (outputs, -0.5))
    found, _ = Client("host:1", "m").predict_ids("a", classifier.problem, classifier.output_dir)
    assert found == ("sad" if outputs == [1] else ["sad", "glad"])


def test_a_text_ends_at_eos(language_model, monkeypatch):
    monkeypatch.setattr(Client, "_predict", lambda *_: ([99, 100, 1, 0, 101], -0.5))
    found, _ = Client("host:1", "m").predict_ids(
        "a", language_model.problem, language_model.output_dir
    )
    assert found == "ab"
