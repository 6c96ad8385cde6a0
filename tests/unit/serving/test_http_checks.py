"""Requests that are refused before the application sees them, and what the log says of them."""

import json
import random
import socket
import threading
import time

import pytest

from tests.unit.serving.conftest import echo, until

BODY = b'{"instances": ["ab"]}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def converse(server, sent):
    """Sends bytes; returns the answers up to the last body, that body, and whether it closed."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(sent)
        client.settimeout(3)
        received, closed = b"", False
        try:
            while chunk := client.recv(65536):
                received += chunk
            closed = True
        except ConnectionResetError:
            closed = True
        except TimeoutError:
            pass
    head, _, body = received.rpartition(b"\r\n\r\n")
    return head.decode("latin-1"), body, closed


def request(headers, method=b"POST", body=b"", version=b"1.1"):
    path = b"/v1/models/echo:predict" if method == b"POST" else b"/healthz"
    return method + b" " + path + b" HTTP/" + version + b"\r\n" + headers + b"\r\n" + body


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("length", [LENGTH, b"content-length: 0\r\n", b"CONTENT-LENGTH: 999\r\n"])
def test_two_lengths_are_refused_and_the_connection_is_closed(echoing, length, order):
    headers = b"".join([length, b"Transfer-Encoding: chunked\r\n"][::order])
    sent = request(b"Host: localhost\r\n" + headers, body=CHUNKS)
    head, body, closed = converse(echoing, sent + request(b"Host: localhost\r\n", b"GET"))
    assert closed
    assert head.count("HTTP/1.1") == 1
    assert head.startswith("HTTP/1.1 400")
    assert "both Content-Length and Transfer-Encoding" in json.loads(body)["error"]


def test_one_length_is_enough(echoing):
    for headers, body in [(LENGTH, BODY), (b"Transfer-Encoding: chunked\r\n", CHUNKS)]:
        headers = b"Host: localhost\r\nConnection: close\r\n" + headers
        head, answer, _ = converse(echoing, request(headers, body=body))
        assert head.startswith("HTTP/1.1 200")
        assert json.loads(answer)["predictions"][0]["outputs"] == "ba"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:8501", "[::1]:8501", "verse.example.org"],
)
def test_hosts_that_are_allowed(start, host):
    server = start(hosts=["Verse.example.org"])
    assert server.ask("GET", "/healthz", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8501",
        "localhost.evil.example",
        "evil.example/localhost",
        "localhost@evil.example",
        "evil.example#localhost",
        "127.0.0.1.evil.example",
        "10.1.2.3",
        "[::2]:8501",
        "",
        "*",
        "localhost:x",
    ],
)
def test_other_hosts_are_refused(echoing, host):
    for path in ("/", "/healthz", "/v1/models", "/nowhere", "/v1/models/echo:predict"):
        status, _, answer = echoing.ask("GET", path, headers={"Host": host})
        assert (status, list(answer)) == (403, ["error"])
        assert "--allowed_hosts" in answer["error"]
        assert "\n" not in answer["error"]


def test_any_host(start):
    server = start(hosts=["*"])
    assert server.ask("GET", "/healthz", headers={"Host": "evil.example"})[0] == 200


def test_the_address_of_the_connection_is_allowed(start):
    # As if the server listened on 0.0.0.0 and were reached by an address of this machine.
    from t2tlite.serving.http_checks import _refusal

    scope = {"type": "http", "headers": [(b"host", b"10.1.2.3:80")], "server": ("10.1.2.3", 80)}
    assert _refusal(scope, set()) is None
    assert _refusal({**scope, "server": ("10.1.2.4", 80)}, set()).status_code == 403


def test_http_1_0_needs_no_host(echoing):
    head, _, _ = converse(echoing, request(b"", b"GET", version=b"1.0"))
    assert head.startswith("HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        request(b"Host: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n"),
        request(b"Host: localhost\r\nContent-Length: -1\r\n"),
        request(b"Host: localhost\r\nTransfer-Encoding: gzip\r\n"),
        request(b"Host: localhost\r\nTransfer-Encoding: chunked\r\n", body=b"zz\r\n"),
    ],
)
def test_invalid_http_is_answered_with_json(echoing, sent, capfd):
    head, body, closed = converse(echoing, sent)
    assert head.startswith("HTTP/1.1 400")
    assert "content-type: application/json" in head.lower()
    assert json.loads(body)["error"].startswith("the request isn't valid HTTP")
    assert closed
    assert capfd.readouterr().err == ""


def test_invalid_http_after_the_answer_closes_the_connection(echoing, caplog):
    # 404 is answered before the body arrives.
    head = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", echoing.port), 10) as client:
        client.sendall(head)
        answer = b""
        while not answer.endswith(b"}"):  # headers and body may come apart
            answer += client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 404")
        client.sendall(b"zz\r\n")
        assert client.recv(65536) == b""
    assert caplog.text == ""


def test_random_bytes_get_json_or_nothing(echoing):
    draw = random.Random(20)
    valid = request(b"Host: localhost\r\n" + LENGTH, body=BODY)
    for _ in range(60):
        sent = bytearray(valid)
        for _ in range(draw.randint(1, 4)):
            sent[draw.randrange(len(sent))] = draw.randrange(256)
        with socket.create_connection(("127.0.0.1", echoing.port), 10) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if body and b" 200 " not in head[:20]:
            assert list(json.loads(body)) == ["error"], (sent, answer)
    assert echoing.predict({"instances": ["ab"]})[0] == 200


def test_a_websocket_upgrade_is_an_ordinary_request(echoing, caplog, capfd):
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    assert echoing.ask("GET", "/healthz", headers=headers)[0] == 200
    headers["Host"] = "evil.example"
    assert echoing.ask("GET", "/healthz", headers=headers)[0] == 403
    assert caplog.text == ""
    assert capfd.readouterr().err == ""


def test_errors_of_the_router_are_json(echoing):
    status, headers, answer = echoing.ask("POST", "/healthz", b"")
    assert (status, list(answer)) == (405, ["error"])
    assert headers["Allow"]
    for path in ("/nowhere", "/a%0ab", "/%ed%a0%80", "/" + "x" * 9000):
        status, _, answer = echoing.ask("GET", path)
        assert (status, list(answer)) == (404, ["error"])
        assert "\n" not in answer["error"]
        assert len(answer["error"]) < 300


@pytest.mark.parametrize(
    "range_", ["bytes=x", "bytes=9-1", "bytes=99999999-", "lines=1-2", "bytes=0-0"]
)
def test_the_page_has_no_ranges(echoing, range_):
    status, headers, page = echoing.ask("GET", "/", headers={"Range": range_})
    assert (status, headers.get_content_type()) == (200, "text/html")
    assert page.startswith(b"<!doctype html>")


def test_when_the_time_to_stop_is_over_the_rest_gets_503(start):
    opened = threading.Event()
    answers = {}

    def decode(kind, lines, first):
        opened.wait(20)
        return echo(kind, lines)

    server = start(decode, stop_secs=1)

    def ask(number):
        answers[number] = server.predict({"instances": ["a"]})

    decoding = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in decoding:
        thread.start()
    until(lambda: server.batches and len(server.batcher) + sum(server.batches) == 3)
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        # A body that never arrives in full.
        client.sendall(request(b"Host: localhost\r\nContent-Length: 99\r\n", body=b'{"inst'))
        time.sleep(0.2)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 5
        received = b"".join(iter(lambda: client.recv(65536), b""))
    for thread in decoding:
        thread.join()
    opened.set()
    assert answers == dict.fromkeys(range(3), (503, {"error": "the server is stopping"}))
    assert received.startswith(b"HTTP/1.1 503")
    assert received.endswith(b'{"error":"the server is stopping"}')
    assert len(server.batcher) == 0
