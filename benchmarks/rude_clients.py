"""Clients that harm a server if they can, for serve.py."""

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
NO_JSON = (
    b"{",
    b"[1]",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"instances": 5}',
    b'{"instances": [NaN]}',
    b'{"instances": [{"b64": "!"}]}',
    b'{"instances": ["a"], "parameters": {"beam_size": 1000000}}',
)
NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # how TLS begins
    b"to whom it may concern\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    random.Random(0).randbytes(200_000),
)
# Kinds of acts, and what they may end in: a status of HTTP, or a word of `answer`.
FITTING = {
    "sending 100 MB": {"413", "closed"},
    "sending no JSON": {"400"},
    "sending no HTTP": {"400", "closed"},
    "hanging up": {"hung up"},
    "sending slowly": {"200", "408", "closed"},
}


class Rude:
    """Clients that act for as long as the context lasts.

    Args:
      server: host and port.
      path: where lines are asked.
      body: a request that is right.

    Attributes:
      outcomes: of each kind of act, how often it ended in what; there after the context.
    """

    def __init__(self, server: tuple[str, int], path: str, body: bytes):
        self._server = server
        self._path = path
        self._body = body
        self._over = threading.Event()
        self.outcomes: dict[str, Counter[str]] = {}

    def __enter__(self) -> Rude:
        acts = [self._huge(), self._no_json(), self._no_http(), self._hang_up()]
        # One that is slow takes until the end, so there are several.
        clients = [*zip(FITTING, acts, strict=False)]
        clients += [("sending slowly", self._slow(in_body)) for in_body in (False, True) * 4]
        threads = ThreadPoolExecutor(len(clients))
        self._ends = [(kind, threads.submit(self._run, act)) for kind, act in clients]
        threads.shutdown(wait=False)
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self.outcomes = {kind: Counter() for kind in FITTING}
        for kind, end in self._ends:
            self.outcomes[kind] += end.result()

    def unfitting(self) -> list[str]:
        """Tells the acts that ended otherwise than they should, and those that nobody did."""
        return [
            f"{kind} ended in {outcome!r} {times} times"
            for kind, outcomes in self.outcomes.items()
            for outcome, times in (outcomes or Counter({"nothing": 1})).items()
            if outcome not in FITTING[kind]
        ]

    def _run(self, act: Iterator[str]) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        for outcome in act:
            outcomes[outcome] += 1
            # Rude, but no load: the good clients are measured at the same time.
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
            yield self._answer(itertools.chain([declared], itertools.repeat(CHUNK, chunks)))
            undeclared = self._head("Transfer-Encoding: chunked")
            pieces = itertools.chain([undeclared], itertools.repeat(chunk, chunks), [b"0\r\n\r\n"])
            yield self._answer(pieces)

    def _no_json(self) -> Iterator[str]:
        for body in itertools.cycle(NO_JSON):
            yield self._answer([self._request(body)])

    def _no_http(self) -> Iterator[str]:
        for content in itertools.cycle(NO_HTTP):
            yield self._answer([content])

    def _hang_up(self) -> Iterator[str]:
        whole = self._request(self._body)
        head = len(whole) - len(self._body)
        # In the middle of the headers, of the body, and of the waiting; politely and with a reset.
        for end, reset in itertools.cycle(
            itertools.product((head // 2, head + len(self._body) // 2, len(whole)), (False, True))
        ):
            with socket.create_connection(self._server) as connection:
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.sendall(whole[:end])
            yield "hung up"

    def _slow(self, in_body: bool) -> Iterator[str]:
        """Sends a right request a byte at a time, and its rest when the others have done.

        Args:
          in_body: whether it is slow with the body alone.
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
            yield answer(connection, [whole[sent:]])

    def _answer(self, pieces: Iterable[bytes]) -> str:
        with socket.create_connection(self._server) as connection:
            return answer(connection, pieces)


def answer(connection: socket.socket, pieces: Iterable[bytes]) -> str:
    """Sends pieces, and returns the status that comes back, or "closed", or "no answer"."""
    connection.settimeout(60)
    # What came back before the server closed its end can be read all the same, mostly.
    try:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        found = connection.recv(2**16)
    except TimeoutError:
        return "no answer"
    except ConnectionError:
        return "closed"
    return found.split()[1].decode() if found.startswith(b"HTTP/1.1 ") else "closed"
