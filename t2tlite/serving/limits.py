"""Limits on requests, batches and the queue of a server, and its options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from t2tlite.errors import ServingError


@dataclass(frozen=True)
class Limits:
    """The flags of t2t-server of the same names."""

    max_body_bytes: int = 2**20
    max_instances: int = 256
    max_line_length: int = 1000
    max_beam_size: int = 16
    max_extra_length: int = 256
    max_queue: int = 1024
    max_batch_size: int = 64
    batch_timeout_ms: float = 5.0
    timeout_secs: float = 60.0
    stop_secs: float = 20.0

    def check(self) -> Limits:
        """Returns these limits.

        Raises:
          ServingError: a request may have more lines than the queue.
        """
        if self.max_instances > self.max_queue:
            raise ServingError(
                f"--max_instances={self.max_instances} exceeds --max_queue={self.max_queue}: lower "
                f"the first or raise the second"
            )
        return self


@dataclass(frozen=True)
class Options:
    """The flags of t2t-server of the same names."""

    watch: bool = False
    allow_reload: bool = False
    access_log: bool = False
    page_texts: str | os.PathLike[str] = ""

    def check(self, checkpoint: object) -> Options:
        """Returns these options.

        Raises:
          ServingError: newer checkpoints are asked for, and `checkpoint` names one.
        """
        for name in ("watch", "allow_reload"):
            if getattr(self, name) and checkpoint not in ("", "best"):
                raise ServingError(
                    f"--{name} loads newer checkpoints, and --checkpoint_path={checkpoint} names "
                    f"one: leave out one of them"
                )
        return self


def check_hosts(hosts: Iterable[str]) -> None:
    """Checks the names by which clients may reach the server.

    Raises:
      ServingError: one isn't a name or an address.
    """
    for host in hosts:
        if not re.fullmatch(r"[\w.-]+|\[[0-9a-fA-F:.]+\]|\*", host):
            raise ServingError(
                f"--allowed_hosts has {host!r}; expected names, addresses (IPv6 in brackets), both "
                f"without a port, or *"
            )
