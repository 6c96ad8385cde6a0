"""Limits on requests, batches and the queue of a server."""

from __future__ import annotations

from dataclasses import dataclass, fields

from t2tlite.errors import ServingError


@dataclass(frozen=True)
class Limits:
    """The flags of t2t-server of the same names.

    Attributes:
      max_body_bytes: of a request's body.
      max_instances: lines of a request.
      max_line_length: characters of a line, or its tokens if it comes as ids.
      max_beam_size: beam size that a request may ask for.
      max_queue: lines in the queue; a request that exceeds it is refused.
      max_batch_size: lines of a batch.
      batch_timeout_ms: how long a line waits for its batch to fill.
      timeout_secs: for reading a body, and again for decoding its lines.
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
        """Returns self.

        Raises:
          ServingError: no request could be answered within these limits.
        """
        for field in fields(self):
            value, least = getattr(self, field.name), int(field.name != "batch_timeout_ms")
            if value < least:
                raise ServingError(f"--{field.name}={value} is less than {least}")
        if self.max_instances > self.max_queue:
            raise ServingError(
                f"--max_instances={self.max_instances} exceeds --max_queue={self.max_queue}: "
                f"lower the first or raise the second"
            )
        return self
