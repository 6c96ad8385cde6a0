"""TensorFlow and JAX as they are installed: what is there, imported without their messages.

Only the TensorFlow backend, a SavedModel, T2T's checkpoints and plugins' hooks need TensorFlow.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

from t2tlite.errors import DeviceError


def is_installed(package: str) -> bool:
    """Whether a package can be imported; it isn't imported."""
    spec = importlib.util.find_spec(package)
    # pip may leave a folder without __init__.py behind.
    return spec is not None and spec.origin is not None


def require_tensorflow(user: str) -> None:
    """Raises DeviceError, "USER needs TensorFlow", if it isn't installed."""
    if not is_installed("tensorflow"):
        raise DeviceError(
            f"{user} needs TensorFlow, which isn't installed: pip install tensorflow "
            f"tensorflow-text"
        )


def import_tensorflow() -> Any:
    """Imports TensorFlow with oneDNN, and without its messages about missing GPUs.

    By default TensorFlow uses oneDNN only on CPUs with AVX512-VNNI, but it is faster with AVX2, too
    (benchmarks/train.py with TF_ENABLE_ONEDNN_OPTS=0 and =1).
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    hide_tensorflow_messages()
    with hidden_standard_error():
        tensorflow = importlib.import_module("tensorflow")
        # The first look for GPUs prints, too.
        tensorflow.config.list_physical_devices()
    if os.environ.get("KERAS_BACKEND") == "jax":
        # It only reads data then, and must not reserve the accelerators; unless the program has
        # used it before.
        with contextlib.suppress(RuntimeError):
            tensorflow.config.set_visible_devices([], "GPU")
    return tensorflow


def tensorflow_errors(*names: str) -> tuple[type[BaseException], ...]:
    """Returns exceptions of tf.errors; none if TensorFlow isn't imported, so can't raise them."""
    tensorflow = sys.modules.get("tensorflow")
    return tuple(getattr(tensorflow.errors, name) for name in names) if tensorflow else ()


@contextlib.contextmanager
def hidden_standard_error(path: str = os.devnull) -> Iterator[None]:
    """Sends everything written to standard error in the block, by Python or C++, to a file.

    The libraries print before they read any log level, so the file descriptor is redirected.
    """
    saved = os.dup(2)
    file = os.open(path, os.O_WRONLY)
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(file)


def hide_tensorflow_messages() -> None:
    """Hides TensorFlow's messages below errors; call it before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").addFilter(_is_no_retracing)


def _is_no_retracing(record: logging.LogRecord) -> bool:
    # It warns of tracing for many lengths and beam sizes, which is intended: once for each.
    return "retracing" not in record.getMessage()
