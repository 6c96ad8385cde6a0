"""Ctrl-C and SIGTERM during training: finish the current step, save, stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def stop_on_signals(ask_to_stop: Callable[[str], Any]) -> Iterator[None]:
    """Calls `ask_to_stop` with the name of a SIGINT or SIGTERM; a second one has its usual effect.

    Does nothing outside the main thread, where Python can't set handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: Any) -> None:
        ask_to_stop(signal.Signals(number).name)
        restore_handlers.close()

    with contextlib.ExitStack() as restore_handlers:
        for number in (signal.SIGINT, signal.SIGTERM):
            restore_handlers.callback(signal.signal, number, signal.signal(number, handle))
        yield
