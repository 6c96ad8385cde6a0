"""Answers that are streamed while they are written."""

import contextlib
import dataclasses
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from t2tlite.errors import DataError
from tests.unit.serving.conftest import SERVED, echo, echo_letters, until

PREDICT = "/v1/models/echo:predict"


@pytest.fixture
def stepwise():
    """A decode function whose streams wait for a permit before each letter, and the permits."""
    permits, started = threading.Semaphore(0), []

    def decode(kind, contents, first=0):
        return echo(kind, contents)

    def stream(kind, content):
        started.append(content)
        for answer in echo_letters(kind, content):
            assert permits.acquire(timeout=20)
            yield answer
        if content == "bad":
            raise DataError("no more of it")

    decode.stream = stream
    yield decode, permits, started
    permits.release(1000)


def test_each_event_holds_the_answer_so_far(start, stepwise):
    decode, permits, _ = stepwise
    server = start(decode)
    permits.release(100)
    body = {"instances": ["abc"], "stream": True}
    *more, last = server.events(PREDICT, body)
    assert last == ("end", {"outputs": "cba", "scores": -1.5})
    texts = [content["outputs"] for name, content in more]
    assert texts == sorted(set(texts), key=len)
    assert set(texts) <= {"c", "cb", "cba"}
    # Neither a list nor ids get another form than without a stream.
    body["parameters"] = {"sampling_temp": 1.0, "n": 1}
    assert server.events(PREDICT, body)[-1] == ("end", {"outputs": ["cba"], "scores": [-1.5]})


@contextlib.contextmanager
def open_stream(server, line):
    """A connection whose answer has begun."""
    body = json.dumps({"instances": [line], "stream": True}).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(head.encode() + body)
        yield client


def read_until(client, text):
    """What comes up to a text and with it."""
    found = b""
    while text not in found:
        part = client.recv(100_000)
        assert part, found
        found += part
    return found


def test_batches_go_on_while_answers_are_streamed(start, stepwise):
    decode, permits, started = stepwise
    server = start(decode)
    with open_stream(server, "a" * 900) as client, ThreadPoolExecutor(1) as pool:
        until(lambda: started)
        asked = pool.submit(server.predict, {"instances": ["xyz"]})
        permits.release(1)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        # The line is decoded between two letters.
        for _ in range(800):
            if asked.done():
                break
            permits.release(1)
            time.sleep(0.01)
        assert asked.result(0)[1]["predictions"][0]["outputs"] == "zyx"
        permits.release(900)
        read_until(client, b"event: end")


def test_a_client_that_leaves_ends_its_stream(start, stepwise):
    decode, permits, started = stepwise
    server = start(decode)
    with open_stream(server, "a" * 500) as client:
        until(lambda: started)
        permits.release(1)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    until(lambda: server.metrics().get('t2tlite_requests_total{endpoint="predict",status="200"}'))
    # One letter may be under way; the others aren't written.
    permits.release(100)
    assert server.predict({"instances": ["ab"]})[0] == 200
    until(lambda: server.predict({"instances": ["ab"]})[0] == 200)
    assert permits.acquire(timeout=1)


def test_an_error_after_the_first_token_is_an_event(start, stepwise):
    decode, permits, _ = stepwise
    with open_stream(start(decode), "bad") as client:
        permits.release(1)
        found = read_until(client, b"data: ")
        permits.release(2)
        found = read_until(client, b"0\r\n\r\n")
    assert b'event: error\ndata: {"error": "no more of it"}' in found


def test_an_error_before_the_first_token_has_its_status(start):
    def stream(kind, content):
        raise DataError("line 1: not in the vocabulary")
        yield

    def decode(kind, contents, first=0):
        return echo(kind, contents)

    decode.stream = stream
    server = start(decode)
    body = {"instances": ["a"], "stream": True}
    status, _, answer = server.ask("POST", PREDICT, body)
    assert (status, answer) == (400, {"error": "line 1: not in the vocabulary"})


def test_a_stream_without_a_token_in_time(start, stepwise):
    server = start(stepwise[0], timeout_secs=1)
    status, _, answer = server.ask("POST", PREDICT, {"instances": ["a"], "stream": True})
    assert (status, answer) == (504, {"error": "no answer within 1 s"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"instances": ["a", "b"]}, "one line"),
        ({"inputs": ["a"]}, "one line"),
        ({"instances": ["a"], "parameters": {"beam_size": 3}}, "a beam search can't be streamed"),
        ({"instances": ["a"], "stream": "yes"}, "expected true or false"),
    ],
)
def test_what_cannot_be_streamed(echoing, content, message):
    status, _, answer = echoing.ask("POST", PREDICT, {"stream": True, **content})
    assert status == 400
    assert message in answer["error"]


def test_a_stream_of_a_model_equals_its_answer(model_server):
    path = "/v1/models/reverse_digits:predict"
    greedy = {"instances": ["3 1 4 1 5"], "parameters": {"beam_size": 1}}
    whole = model_server.ask("POST", path, greedy)[2]["predictions"][0]
    name, last = model_server.events(path, {**greedy, "stream": True})[-1]
    assert (name, last["outputs"]) == ("end", whole["outputs"])
    assert last["scores"] == pytest.approx(whole["scores"], abs=1e-4)
    drawn = {"sampling_temp": 100.0, "random_seed": 5, "sampling_keep_top_k": 9}
    answers = [
        model_server.ask("POST", path, {"instances": lines, "parameters": drawn})[2]
        for lines in (["1 2"], ["1 2", "1 2", "3 4 5"], ["1 2"])
    ]
    texts = [answer["predictions"][0]["outputs"] for answer in answers]
    assert len(set(texts)) == 1
    streamed = model_server.events(
        path, {"instances": ["1 2"], "parameters": drawn, "stream": True}
    )
    assert streamed[-1][1]["outputs"] == texts[0]


def test_a_model_that_samples_is_described_so(start):
    settings = dataclasses.replace(SERVED.settings, sampling_method="random")
    server = start(echo, dataclasses.replace(SERVED, settings=settings))
    assert server.ask("GET", "/v1/models")[2]["models"][0]["samples"] is True
