"""A server's metrics for Prometheus."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import prometheus_client as prometheus

# Any other URL has the label "other", so that clients can't create labels.
ENDPOINTS = re.compile(r"/v1/models/[^/]+(?:/versions/[^/]+)?:(predict|attention)")


class Metrics:
    """The metrics of one server, in a registry of their own.

    Args:
      queue_length: returns the number of lines in the queue.
    """

    content_type = prometheus.CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, queue_length: Callable[[], int]):
        self._registry = prometheus.CollectorRegistry()
        self._requests = prometheus.Counter(
            "t2tlite_requests",
            "Requests answered; status 499: the client disconnected.",
            ["endpoint", "status"],
            registry=self._registry,
        )
        self._seconds = prometheus.Histogram(
            "t2tlite_request_seconds",
            "Time from the start of a request to the end of its answer.",
            ["endpoint"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self._registry,
        )
        self._batch_lines = prometheus.Histogram(
            "t2tlite_batch_size",
            "Lines of a batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self._registry,
        )
        queue = prometheus.Gauge(
            "t2tlite_queue_length", "Lines in the queue.", registry=self._registry
        )
        queue.set_function(queue_length)

    def observe_batch(self, lines: int) -> None:
        """Counts a batch of `lines` lines."""
        self._batch_lines.observe(lines)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return prometheus.generate_latest(self._registry)

    def instrument(self, app: Any) -> Any:
        """Wraps the ASGI application `app` so that its requests are counted and timed."""

        async def instrumented(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status, started = 500, time.monotonic()

            async def send_and_record(message: Any) -> None:
                nonlocal status
                status = message.get("status", status)
                await send(message)

            try:
                await app(scope, receive, send_and_record)
            finally:
                match = ENDPOINTS.fullmatch(scope["path"])
                endpoint = match[1] if match else "other"
                self._requests.labels(endpoint, str(status)).inc()
                self._seconds.labels(endpoint).observe(time.monotonic() - started)

        return instrumented
