"""Clients that misbehave while serve.py measures well-behaved ones."""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

HUGE_BYTES = 100 * 10**6
CHUNK = b" " * 2**16
INVALID_JSON = (
    b"{",
    b"[1]",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"instances": 5}',
    b'{"instances": [NaN]}',
    b'{"instances": [{"b64": "!"}]}',
    b'{"instances": ["a"], "parameters": {"beam_size": 1000000}}',
)
INVALID_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # the start of a TLS handshake
    b"to whom it may concern\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    random.Random(0).randbytes(200_000),
)
# Behaviour -> its acceptable outcomes: an HTTP status, or what `send` returns otherwise.
EXPECTED = {
    "sending 100 MB": {"413", "closed"},
    "sending invalid JSON": {"400"},
    "sending invalid HTTP": {"400", "closed"},
    "disconnecting": {"disconnected"},
    "sending slowly": {"200", "408", "closed"},
}


class MisbehavingClients:
    """A context manager: the clients run until the context ends.

    Args:
      server: host and port.
      path: of the `:predict` URL.
      body: of a valid request.

    Attributes:
      outcomes: how often each behaviour had which outcome; set when the context ends.
    """

    def __init__(self, server: tuple[str, int], path: str, body: bytes):
        self._server = server
        self._path = path
        self._body = body
        self._over = threading.Event()
        self.outcomes: dict[str, Counter[str]] = {}

    def __enter__(self) -> MisbehavingClients:
        requests = [self._huge(), self._invalid_json(), self._invalid_http(), self._disconnect()]
        # A slow client sends one request in all, so there are several.
        clients = [*zip(EXPECTED, requests, strict=False)]
        clients += [("sending slowly", self._slow(in_body)) for in_body in (False, True) * 4]
        threads = ThreadPoolExecutor(len(clients))
        self._futures = [(kind, threads.submit(self._run, sent)) for kind, sent in clients]
        threads.shutdown(wait=False)
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.outcomes = {kind: Counter() for kind in EXPECTED}
        for kind, future in self._futures:
            self.outcomes[kind] += future.result()

    def unexpected(self) -> list[str]:
        """Returns a message for each unexpected outcome, and each behaviour without one."""
        return [
            f"{kind} ended in {outcome!r} {times} times"
            for kind, outcomes in self.outcomes.items()
            for outcome, times in (outcomes or Counter({"nothing": 1})).items()
            if outcome not in EXPECTED[kind]
        ]

    def _run(self, requests: Iterator[str]) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        for outcome in requests:
            outcomes[outcome] += 1
            # The pause keeps the load low, as other clients are measured at the same time.
            if self._over.wait(0.2):
                break
        return outcomes

    def _head(self, length: str) -> bytes:
        return f"POST {self._path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode()

    def _request(self, body: bytes) -> bytes:
        return self._head(f"Content-Length: {len(body)}") + body

    def _huge(self) -> Iterator[str]:
        chunks = HUGE_BYTES // len(CHUNK)
        chunk = b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK)
        while True:
            declared = self._head(f"Content-Length: {chunks * len(CHUNK)}")
            yield self._send(itertools.chain([declared], itertools.repeat(CHUNK, chunks)))
            undeclared = self._head("Transfer-Encoding: chunked")
            pieces = itertools.chain([undeclared], itertools.repeat(chunk, chunks), [b"0\r\n\r\n"])
            yield self._send(pieces)

    def _invalid_json(self) -> Iterator[str]:
        for body in itertools.cycle(INVALID_JSON):
            yield self._send([self._request(body)])

    def _invalid_http(self) -> Iterator[str]:
        for content in itertools.cycle(INVALID_HTTP):
            yield self._send([content])

    def _disconnect(self) -> Iterator[str]:
        whole = self._request(self._body)
        head = len(whole) - len(self._body)
        # In the headers, in the body, and while waiting; closing or resetting the connection.
        for end, reset in itertools.cycle(
            itertools.product((head // 2, head + len(self._body) // 2, len(whole)), (False, True))
        ):
            with socket.create_connection(self._server) as connection:
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.sendall(whole[:end])
            yield "disconnected"

    def _slow(self, in_body: bool) -> Iterator[str]:
        """Sends a valid request byte by byte, and its rest when the context ends.

        Args:
          in_body: whether only the body is slow.
        """
        whole = self._request(self._body)
        sent = len(whole) - len(self._body) if in_body else 0
        with socket.create_connection(self._server) as connection:
            connection.sendall(whole[:sent])
            with contextlib.suppress(ConnectionError):
                while sent < len(whole) - 1 and not self._over.wait(0.5):
                    connection.sendall(whole[sent : sent + 1])
                    sent += 1
            self._over.wait()
            yield send(connection, [whole[sent:]])

    def _send(self, pieces: Iterable[bytes]) -> str:
        with socket.create_connection(self._server) as connection:
            return send(connection, pieces)


def send(connection: socket.socket, pieces: Iterable[bytes]) -> str:
    """Sends pieces and returns the status of the answer, or "closed", or "no answer"."""
    connection.settimeout(60)
    # An answer that arrived before the server closed the connection can usually still be read.
    try:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        received = connection.recv(2**16)
    except TimeoutError:
        return "no answer"
    except ConnectionError:
        return "closed"
    return received.split()[1].decode() if received.startswith(b"HTTP/1.1 ") else "closed"
