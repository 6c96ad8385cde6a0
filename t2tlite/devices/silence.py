"""Hides what TensorFlow and other libraries of C++ print that isn't about the user's work."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def standard_error() -> Iterator[None]:
    """Discards everything written to standard error in the block, by Python or C++.

    The libraries print before they read any log level, so the file descriptor is redirected.
    """
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def tensorflow() -> None:
    """Hides TensorFlow's messages below errors; call it before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    # It warns of tracing for many lengths and beam sizes, which is intended: once for each.
    return "retracing" not in record.getMessage()
