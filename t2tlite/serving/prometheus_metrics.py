"""A server's metrics for Prometheus."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import prometheus_client as prometheus

from t2tlite.serving.served_model import ServedModel

# Any other URL has the label "other", so that clients can't create labels.
ENDPOINTS = re.compile(
    r"/v1/models/[^/]+(?:/versions/[^/]+)?:(predict|attention|reload)|/v1/(completions)"
)


class Metrics:
    """The metrics of one server, in a registry of their own.

    Args:
      queue_length: returns the number of lines in the queue.
      served: returns the model as it is now.
    """

    content_type = prometheus.CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, queue_length: Callable[[], int], served: Callable[[], ServedModel]):
        self._served = served
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
        self._loads = prometheus.Counter(
            "t2tlite_reloads",
            "Newer checkpoints by result: loaded, or failed and the former one kept.",
            ["result"],
            registry=self._registry,
        )
        self._model = prometheus.Gauge(
            "t2tlite_model_version",
            "Step of the checkpoint that is served.",
            ["model", "checkpoint"],
            registry=self._registry,
        )
        self._load_seconds = prometheus.Gauge(
            "t2tlite_model_load_seconds",
            "How long loading that checkpoint took; at the start, until a line was decoded.",
            registry=self._registry,
        )

    def observe_batch(self, lines: int) -> None:
        """Counts a batch of `lines` lines."""
        self._batch_lines.observe(lines)

    def observe_reload(self, loaded: bool) -> None:
        """Counts an attempt to load a newer checkpoint."""
        self._loads.labels("loaded" if loaded else "failed").inc()

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        served = self._served()
        self._model.clear()
        self._model.labels(served.name, served.checkpoint).set(served.version)
        self._load_seconds.set(served.load_seconds)
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
                endpoint = match[1] or match[2] if match else "other"
                self._requests.labels(endpoint, str(status)).inc()
                self._seconds.labels(endpoint).observe(time.monotonic() - started)

        return instrumented
