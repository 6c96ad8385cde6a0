"""What a server takes from its clients."""

from __future__ import annotations

from dataclasses import dataclass, fields

from t2tlite.errors import ServingError


@dataclass(frozen=True)
class Limits:
    """Bounds of requests, batches and the queue.

    Attributes:
      max_body_bytes: of a request; no more is read.
      max_instances: lines a request.
      max_line_length: characters a line, or tokens of one that comes as ids.
      max_beam_size: beams that a request may ask for.
      max_queue: lines that may wait; a request that would make them more is refused.
      max_batch_size: lines decoded together.
      batch_timeout_ms: how long a line waits for others to be decoded with it.
      timeout_secs: from a request's beginning to its answer.
    """

    max_body_bytes: int = 2**20
    max_instances: int = 256
    max_line_length: int = 1000
    max_beam_size: int = 16
    max_queue: int = 1024
    max_batch_size: int = 64
    batch_timeout_ms: float = 5.0
    timeout_secs: float = 60.0

    def check(self) -> Limits:
        """Returns self if a request can be answered at all.

        Raises:
          ServingError: none can.
        """
        for one in fields(self):
            value, least = getattr(self, one.name), 0 if one.name == "batch_timeout_ms" else 1
            if value < least:
                raise ServingError(f"--{one.name}={value} is less than {least}")
        if self.max_instances > self.max_queue:
            raise ServingError(
                f"--max_instances={self.max_instances} is more than fits the queue: raise "
                f"--max_queue={self.max_queue} or lower it"
            )
        return self
