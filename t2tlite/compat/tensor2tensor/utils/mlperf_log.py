"""As `tensor2tensor.utils.mlperf_log`, without writing a log."""

from typing import Any


def transformer_print(*args: Any, **kwargs: Any) -> None:
    """Prints nothing."""


def __getattr__(name: str) -> Any:
    if not name.isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return name.lower()
