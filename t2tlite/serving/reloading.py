"""Loads a newer checkpoint into a server that is running."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from t2tlite.errors import Error
from t2tlite.serving.batching import Batcher, StoppingError

log = logging.getLogger(__name__)

# How often a server with --watch looks for a newer checkpoint.
WATCH_SECONDS = 5.0


class Reloader:
    """Loads the newest checkpoint between two batches, after the requests that came before.

    Args:
      batcher: whose thread loads it.
      model: the `BatchDecoder`.
      observe: called with whether a checkpoint was loaded, after each attempt to load one.
    """

    def __init__(
        self, batcher: Batcher, model: Any, observe: Callable[[bool], None] = lambda loaded: None
    ):
        self._batcher, self._model, self._observe = batcher, model, observe
        self._stopped = threading.Event()

    def reload(self) -> Future[bool]:
        """Returns a future of whether another checkpoint was loaded.

        It raises what `BatchDecoder.load_newest` raises; then the former checkpoint stays.

        Raises:
          StoppingError: the server is stopping.
        """
        return self._batcher.call(self._load)

    def _load(self) -> bool:
        try:
            loaded: bool = self._model.load_newest()
        except Error as error:
            log.error("kept %s: %s", self._model.served.checkpoint, error)
            self._observe(False)
            raise
        if loaded:
            served = self._model.served
            message = "loaded %s in %.2f s; now serving version %d"
            log.info(message, served.checkpoint, served.load_seconds, served.version)
            self._observe(True)
        return loaded

    def watch(self, seconds: float = WATCH_SECONDS) -> None:
        """Loads each newer checkpoint of the model folder soon after it is written, in a thread."""
        threading.Thread(target=self._watch, args=(seconds,), name="watching", daemon=True).start()

    def stop(self) -> None:
        """Ends `watch`."""
        self._stopped.set()

    def _watch(self, seconds: float) -> None:
        tried = None
        while not self._stopped.wait(seconds):
            # An error is in the log; the same file isn't tried again until it is written anew.
            with contextlib.suppress(Error, OSError, StoppingError):
                path = self._model.newest()
                found = path, path.stat().st_mtime_ns
                if found != tried:
                    tried = found
                    self.reload().result()


def is_loopback(address: str) -> bool:
    """Whether a client of this address is on this machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
