"""Limits on requests, batches and the queue of a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The flags of t2t-server of the same names."""

    max_body_bytes: int = 2**20
    max_instances: int = 256
    max_line_length: int = 1000
    max_beam_size: int = 16
    max_queue: int = 1024
    max_batch_size: int = 64
    batch_timeout_ms: float = 5.0
    timeout_secs: float = 60.0
    stop_secs: float = 20.0
