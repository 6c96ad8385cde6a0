"""What a server counts, for Prometheus."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import prometheus_client as prometheus

# The addresses that are told apart; any other is "other", so that nobody can make labels.
ENDPOINTS = re.compile(r"/v1/models/[^/]+(?:/versions/[^/]+)?:(predict|attention)")


class Metrics:
    """The figures of one server, in a registry of their own.

    Args:
      queue_length: returns how many lines wait.
    """

    def __init__(self, queue_length: Callable[[], int]):
        self._registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "t2tlite_requests",
            "Requests answered; status 499: the client went away.",
            ["endpoint", "status"],
            registry=self._registry,
        )
        self._seconds = prometheus.Histogram(
            "t2tlite_request_seconds",
            "From a request's beginning to its answer.",
            ["endpoint"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self._registry,
        )
        self._batch_lines = prometheus.Histogram(
            "t2tlite_batch_size",
            "Lines decoded together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self._registry,
        )
        queue = prometheus.Gauge("t2tlite_queue_length", "Waiting lines.", registry=self._registry)
        queue.set_function(queue_length)

    def observe_batch(self, lines: int) -> None:
        """Counts a batch."""
        self._batch_lines.observe(lines)

    def text(self) -> bytes:
        """All figures in Prometheus's text form."""
        return prometheus.generate_latest(self._registry)

    @property
    def content_type(self) -> str:
        """Of `text`."""
        return prometheus.CONTENT_TYPE_PLAIN_0_0_4

    def around(self, app: Any) -> Any:
        """Returns the ASGI application `app` with its requests counted and timed."""

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status, started = 500, time.monotonic()

            async def noting(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noting)
            finally:
                found = ENDPOINTS.fullmatch(scope["path"])
                endpoint = found[1] if found else "other"
                self._requests.labels(endpoint, str(status)).inc()
                self._seconds.labels(endpoint).observe(time.monotonic() - started)

        return counted
