"""Ctrl-C and SIGTERM during training: finish the current step, save, stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def stop_on_signals(ask_to_stop: Callable[[str], Any]) -> Iterator[None]:
    """Calls `ask_to_stop` at SIGINT or SIGTERM; a second signal has its usual effect.

    Does nothing outside the main thread, where Python can't set handlers.

    Args:
      ask_to_stop: takes the name of the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def restore_handlers() -> None:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)

    def handle(number: int, frame: Any) -> None:
        ask_to_stop(signal.Signals(number).name)
        restore_handlers()

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous_handlers = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        restore_handlers()
