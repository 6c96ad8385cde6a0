"""The server as clients see it, over HTTP."""

import base64
import dataclasses
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from t2tlite.data.records import serialized
from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.errors import CheckpointError, DataError
from tests.unit.serving.conftest import SERVED, echo, until

POST = b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: localhost\r\n"


def example(**features):
    return {"b64": base64.b64encode(serialized(features)).decode()}


# ---- answers


def test_rows(echoing):
    assert echoing.predict({"instances": ["abc", ""]}) == (
        200,
        {"predictions": [{"outputs": "cba", "scores": 0.0}, {"outputs": "", "scores": 0.0}]},
    )
    for name in ("serving_default", "text"):
        named = {"signature_name": name, "instances": [{"inputs": "abc"}]}
        assert echoing.predict(named)[1]["predictions"][0]["outputs"] == "cba"


def test_a_byte_order_mark_is_not_text(echoing):
    rows = ["\ufeffabc", {"inputs": "\ufeffabc"}, {"input": example(inputs=["\ufeffabc".encode()])}]
    _, answer = echoing.predict({"instances": rows[:2]})
    assert [row["outputs"] for row in answer["predictions"]] == ["cba", "cba"]
    _, answer = echoing.predict({"signature_name": "serialized_examples", "instances": rows[2:]})
    assert answer["predictions"][0]["outputs"] == "cba"


def test_columns(echoing):
    for inputs in (["abc", "de"], {"inputs": ["abc", "de"]}):
        _, answer = echoing.predict({"inputs": inputs})
        assert answer == {"outputs": {"outputs": ["cba", "ed"], "scores": [0.0, 0.0]}}
    assert echoing.predict({"inputs": "abc"})[1]["outputs"]["outputs"] == ["cba"]


def test_several_answers(echoing):
    _, answer = echoing.predict({"instances": ["ab"], "parameters": {"n": 3}})
    assert answer["predictions"] == [{"outputs": ["ba"] * 3, "scores": [0.0, -0.5, -1.0]}]
    parameters = {"n": 1, "beam_size": 4}
    _, answer = echoing.predict({"instances": ["ab"], "parameters": parameters})
    assert answer["predictions"] == [{"outputs": ["ba"], "scores": [0.0]}]


def test_samples_are_drawn_one_a_row(start):
    asked = []

    def drawing(kind, lines, first):
        asked.append(list(lines))
        return [row[:1] for row in echo(kind, lines)]

    settings = dataclasses.replace(SERVED.settings, sampling_method="random")
    server = start(drawing, dataclasses.replace(SERVED, settings=settings))
    _, answer = server.predict({"instances": ["ab", "c"], "parameters": {"n": 2}})
    assert [row["outputs"] for row in answer["predictions"]] == [["ba", "ba"], ["c", "c"]]
    assert asked == [["ab", "ab", "c", "c"]]


@pytest.mark.parametrize("signature", ["serving_default", "serialized_examples"])
def test_examples_of_ids_are_answered_as_t2t_did(start, signature):
    def decode(kind, lines, first):
        return [[Hypothesis("a" * len(ids), -0.5, list(ids)[::-1])] for ids in lines]

    content = {
        "signature_name": signature,
        "instances": [{"input": example(inputs=[5, 6, 7, 1])}, example(inputs=[5, 6, 1, 0])],
    }
    _, answer = start(decode).predict(content)
    # EOS and padding don't belong to a line; an answer ends with EOS, and rows are of one length.
    assert answer["predictions"] == [
        {"outputs": [7, 6, 5, 1], "scores": -0.5, "text": "aaa"},
        {"outputs": [6, 5, 1, 0], "scores": -0.5, "text": "aa"},
    ]
    served = dataclasses.replace(SERVED, classifies=True)
    _, answer = start(decode, served).predict({"instances": [{"input": example(inputs=[5, 1])}]})
    assert answer["predictions"][0]["outputs"] == [5]


def test_the_best_row_without_a_score_has_none(start):
    server = start(lambda kind, lines, first: [[Hypothesis("", float("-inf"), [])] for _ in lines])
    assert server.predict({"instances": ["a"]})[1]["predictions"][0]["scores"] is None


def test_models(echoing):
    status, _, answer = echoing.ask("GET", "/v1/models/echo")
    (state,) = answer["model_version_status"]
    assert (status, state["version"], state["state"]) == (200, "7", "AVAILABLE")
    assert echoing.ask("GET", "/v1/models/echo/versions/7")[2] == answer
    signatures = echoing.ask("GET", "/v1/models/echo/metadata")[2]["metadata"]["signature_def"]
    kinds = {
        name: (*one["inputs"], one["outputs"]["outputs"]["dtype"])
        for name, one in signatures["signature_def"].items()
    }
    assert kinds == {
        "serving_default": ("input", "DT_INT32"),
        "serialized_examples": ("input", "DT_INT32"),
        "text": ("inputs", "DT_STRING"),
    }
    body = {"instances": ["ab"]}
    assert echoing.ask("POST", "/v1/models/echo/versions/7:predict", body)[0] == 200
    assert echoing.ask("POST", "/v1/models/echo/versions/8:predict", body)[0] == 404
    assert echoing.ask("GET", "/v1/models")[2]["models"][0]["max_line_length"] == 20


def test_attention(echoing):
    body = {"line": "ab", "answer": "xyz"}
    status, _, found = echoing.ask("POST", "/v1/models/echo:attention", body)
    assert status == 200
    assert (found["inputs"], found["outputs"]) == (["a", "b"], ["x", "y", "z"])


def test_a_model_without_attention_has_no_url_for_it(start):
    server = start(echo, dataclasses.replace(SERVED, has_attention=False))
    assert server.ask("POST", "/v1/models/echo:attention", {"line": "ab"})[0] in (404, 405)
    assert server.ask("GET", "/v1/models")[2]["models"][0]["attention"] is False


# ---- what is refused


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 400, "the body isn't JSON"),
        (b"\xff\xfe{", 400, "the body isn't JSON"),
        (b"[" * 4000, 400, "the body isn't JSON"),
        (["abc"], 400, 'expected {"instances": [...]}'),
        ({"instances": ["a"], "sampling": 1}, 400, "unknown key 'sampling'"),
        ({}, 400, 'expected either "instances" or "inputs"'),
        ({"instances": ["a"], "inputs": ["a"]}, 400, 'either "instances" or "inputs"'),
        ({"instances": []}, 400, "at least one line"),
        ({"instances": "abc"}, 400, "at least one line"),
        ({"instances": [3]}, 400, "line 1 is 3; expected a string"),
        ({"instances": ["a", {"text": "b"}]}, 400, "line 2 has the keys ['text']"),
        ({"instances": ["\ud800"]}, 400, "unpaired surrogate"),
        ({"instances": ["a"], "signature_name": "x"}, 400, "unknown signature_name 'x'"),
        ({"instances": ["a"], "signature_name": "serialized_examples"}, 400, '"b64": TF.EX'),
        ({"instances": [{"b64": "Cg8="}], "signature_name": "text"}, 400, "expected a string"),
        ({"instances": [{"b64": "??"}]}, 400, 'isn\'t {"b64": ...} of a serialized tf.Example'),
        ({"instances": [{"b64": "AAAA"}]}, 400, "of a serialized tf.Example"),
        ({"instances": [example(other=[3])]}, 400, 'needs a feature "inputs"'),
        ({"instances": [example(inputs=[3, 100])]}, 400, "ids outside 0 to 99"),
        ({"instances": ["a"], "parameters": {"n": 17}}, 400, '"n" is outside 1 to 16'),
        ({"instances": ["a"], "parameters": {"n": True}}, 400, "expected an integer"),
        ({"instances": ["a"], "parameters": {"batch_size": 1}}, 400, "must be an object of"),
        ({"instances": ["a"], "parameters": {"n": 3, "beam_size": 2}}, 400, "more than"),
        ({"instances": ["a"] * 5}, 413, "5 lines are more than 4 a request"),
        ({"instances": ["a" * 21]}, 413, "line 1 has 21 characters, more than 20"),
        ({"instances": [example(inputs=[3] * 21)]}, 413, "line 1 has 21 tokens"),
        ({"instances": ["a" * 5000]}, 413, "the body is longer than 5000 bytes"),
    ],
)
def test_a_malformed_request(echoing, content, status, message):
    found, answer = echoing.predict(content)
    assert (found, list(answer)) == (status, ["error"])
    assert message in answer["error"]
    assert "\n" not in answer["error"]


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        ({"line": " "}, 400, "the line is blank"),
        ({"line": "a", "answer": 3}, 400, "the body isn't"),
        ({"instances": ["a"]}, 400, "the body isn't"),
        ({"line": "a", "answer": "b" * 21}, 413, "the answer has 21 characters"),
    ],
)
def test_a_malformed_request_of_attention(echoing, content, status, message):
    found, _, answer = echoing.ask("POST", "/v1/models/echo:attention", content)
    assert found == status
    assert message in answer["error"]


def test_urls_that_do_not_exist(echoing):
    status, answer = echoing.predict({"instances": ["a"]}, name="other")
    assert status == 404
    assert answer["error"] == "no model 'other'; expected echo"
    assert echoing.ask("GET", "/nowhere")[0] == 404
    assert echoing.ask("GET", "/v1/models/echo:predict")[0] in (404, 405)
    assert echoing.ask("GET", "/../conftest.py")[0] == 404


def test_no_more_of_a_body_is_read_than_allowed(start):
    server = start(max_body_bytes=1000)
    for head in (b"Content-Length: 100000000", b"Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", server.port), 10) as client:
            client.sendall(POST + head + b"\r\n\r\n")
            chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            sent = 0
            try:
                while sent < 10**8:
                    client.sendall(chunk)
                    sent += len(chunk)
            except OSError:
                pass
            try:
                answer = client.recv(1000)
            except OSError:
                answer = b""
        # The server closes early; whether the client still receives the answer depends on timing.
        assert sent < 3 * 10**7
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert server.predict({"instances": ["ab"]})[0] == 200


def test_a_body_that_never_comes(start):
    server = start(timeout_secs=1)
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(
            b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n"
        )
        client.sendall(b'\r\n{"inst')
        assert server.predict({"instances": ["ab"]})[0] == 200
        assert client.recv(1000).startswith(b"HTTP/1.1 408")


def test_what_is_not_http(echoing):
    with socket.create_connection(("127.0.0.1", echoing.port), 10) as client:
        client.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 400")
    assert echoing.predict({"instances": ["ab"]})[0] == 200


# ---- under load


@pytest.fixture
def gate():
    """A decode function that waits for an event, and that event."""
    opened = threading.Event()

    def decode(kind, lines, first):
        assert opened.wait(20)
        if "bad" in lines:
            raise DataError("that line can't be decoded")
        if "bug" in lines:
            raise ValueError("a bug")
        return echo(kind, lines)

    yield decode, opened
    opened.set()


def test_damaged_weights_are_not_the_clients_fault(start):
    def decode(kind, lines, first):
        raise CheckpointError("model.ckpt-1 gives scores that are not finite")

    expected = 500, {"error": "model.ckpt-1 gives scores that are not finite"}
    assert start(decode).predict({"instances": ["a", "b"]}) == expected


def test_requests_share_batches(start, gate):
    decode, opened = gate
    server = start(decode)
    lines = [f"{number}" for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(server.predict, {"instances": [line]}) for line in lines]
        until(lambda: server.batches and len(server.batcher) == 20 - server.batches[0])
        opened.set()
        outputs = [future.result()[1]["predictions"][0]["outputs"] for future in asked]
    assert outputs == [line[::-1] for line in lines]
    assert sum(server.batches) == 20
    assert max(server.batches) > 5
    metrics = server.metrics()
    assert float(metrics['t2tlite_requests_total{endpoint="predict",status="200"}']) == 20
    assert float(metrics["t2tlite_batch_size_sum"]) == 20
    assert float(metrics["t2tlite_queue_length"]) == 0


def test_a_full_queue_is_a_503_with_retry_after(start, gate):
    decode, opened = gate
    server = start(decode, max_queue=2, max_instances=2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(server.predict, {"instances": ["a"]})
        until(lambda: server.batches)
        second = pool.submit(server.predict, {"instances": ["b", "c"]})
        until(lambda: len(server.batcher) == 2)
        body = {"instances": ["d"]}
        status, headers, answer = server.ask("POST", "/v1/models/echo:predict", body)
        assert (status, answer["error"]) == (503, "too many lines are waiting; try again later")
        assert int(headers["Retry-After"]) >= 1
        opened.set()
        assert (first.result()[0], second.result()[0]) == (200, 200)


def test_an_answer_that_takes_too_long(start, gate):
    decode, opened = gate
    server = start(decode, timeout_secs=1)
    assert server.predict({"instances": ["a"]}) == (504, {"error": "no answer within 1 s"})
    opened.set()
    assert server.predict({"instances": ["b"]})[0] == 200


def test_lines_of_a_client_that_hung_up_are_not_decoded(start, gate):
    decode, opened = gate
    server = start(decode)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.predict, {"instances": ["a"]})
        until(lambda: server.batches)
        body = json.dumps({"instances": ["gone"] * 8}).encode()
        with socket.create_connection(("127.0.0.1", server.port), 10) as client:
            client.sendall(POST + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            until(lambda: len(server.batcher) == 8)
        until(lambda: len(server.batcher) == 0)
        opened.set()
        assert first.result()[0] == 200
    assert server.batches == [1]
    until(lambda: 't2tlite_requests_total{endpoint="predict",status="499"}' in server.metrics())


def test_a_line_that_fails_harms_no_other(start, gate, caplog):
    decode, opened = gate
    server = start(decode)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(server.predict, {"instances": [one]}) for one in ("a", "bad", "bug")]
        until(lambda: len(server.batcher) + sum(server.batches) == 3)
        opened.set()
        good, bad, bug = (one.result() for one in asked)
    assert good[0] == 200
    assert bad == (400, {"error": "that line can't be decoded"})
    assert bug == (500, {"error": "internal error; see the server's log"})
    assert "ValueError: a bug" in caplog.text


def test_health(start):
    server = start()
    assert server.ask("GET", "/healthz")[2] == {"status": "ok"}
    server.batcher.stop(10)
    assert server.ask("GET", "/healthz")[0] == 503
    status, headers, answer = server.ask("POST", "/v1/models/echo:predict", {"instances": ["a"]})
    assert (status, answer["error"]) == (503, "the server is stopping")
    assert "Retry-After" in headers


@pytest.mark.parametrize("content", [{"n": 2}, {"beam_size": 1}, {}])
def test_an_error_names_the_line_of_the_request(model_server, content):
    rows = ["1 2", "3", "one", "4"]
    with ThreadPoolExecutor(3) as pool:
        body = {"instances": rows, "parameters": content}
        failing = pool.submit(model_server.predict, body, "reverse_digits")
        others = [
            pool.submit(model_server.predict, {"instances": ["5 6"]}, "reverse_digits")
            for _ in range(2)
        ]
        status, answer = failing.result()
        assert status == 400
        assert answer["error"].startswith("line 3: ")
        assert "'one'" in answer["error"]
        assert [other.result()[0] for other in others] == [200, 200]


@pytest.mark.parametrize("rows", ["instances", "inputs"])
@pytest.mark.parametrize("bad", ["a\ud800b", "\udfff", 3, {"text": "a"}, {"b64": "??"}, "a" * 21])
def test_a_malformed_line_is_named_by_its_number(echoing, rows, bad):
    status, answer = echoing.predict({rows: ["a", "\U0001f4e6", bad]})
    assert status in (400, 413)
    assert answer["error"].startswith("line 3 ")


def test_surrogates_in_other_parts_of_a_request(echoing):
    for content in ({"\ud800": 1}, {"instances": ["a"], "signature_name": "\ud800"}):
        status, answer = echoing.predict(content)
        assert (status, list(answer)) == (400, ["error"])
    # CESU-8, which isn't UTF-8.
    status, answer = echoing.predict(b'{"instances": ["a", "\xed\xa0\x80"]}')
    assert (status, answer["error"]) == (400, "line 2 has an unpaired surrogate")
