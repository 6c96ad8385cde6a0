"""TF1's names in `tensorflow`, for plugins alone: tf.gfile, tf.logging, tf.flags and the rest.

TensorFlow 2 still has most of them in tf.compat.v1; what left it for good raises when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from t2tlite.plugins.absent import AbsentName

# Parts of tf that had more names in TF1, by their place below tf; "" is tf itself.
_PARTS = ["", "data", "image", "io", "math", "nn", "random", "strings", "summary", "train"]

# What tf.compat.v1 has no longer.
_GONE = {"contrib", "layers", "rnn_cell", "static_rnn", "dynamic_rnn", "bidirectional_dynamic_rnn"}
# The names of modes are what hooks compare their argument with.
_ESTIMATOR = {"ModeKeys": SimpleNamespace(TRAIN="train", EVAL="eval", PREDICT="infer")}


class _Estimator(AbsentName):
    """tf.estimator: gone, but for the names of its modes."""

    def __getattr__(self, attribute: str) -> Any:
        return _ESTIMATOR.get(attribute) or super().__getattr__(attribute)


def lend(tensorflow: Any, asked_by_plugin: Callable[[], bool]) -> None:
    """Lets plugins find TF1's names in `tensorflow`, once.

    Args:
      tensorflow: the module.
      asked_by_plugin: whether a plugin is what asks.
    """
    if getattr(vars(tensorflow).get("__getattr__"), "lends_tf1", False):
        return
    for name in _PARTS:
        part = getattr(tensorflow, name) if name else tensorflow
        old = getattr(tensorflow.compat.v1, name) if name else tensorflow.compat.v1
        _lend_part(part, old, f"tensorflow.{name}".rstrip("."), asked_by_plugin)


def _lend_part(part: ModuleType, old: Any, path: str, asked_by_plugin: Callable[[], bool]) -> None:
    before = vars(part).get("__getattr__")

    def find(name: str) -> Any:
        if before is not None:
            try:
                return before(name)
            except AttributeError:
                pass
        # Without the underscored names Python's own machinery asks for.
        if not name.startswith("_") and asked_by_plugin():
            if hasattr(old, name):
                return getattr(old, name)
            if name == "estimator":
                return _Estimator(f"{path}.{name}")
            if name in _GONE:
                return AbsentName(f"{path}.{name}")
        raise AttributeError(f"module {path!r} has no attribute {name!r}")

    find.lends_tf1 = True  # type: ignore[attr-defined]
    part.__getattr__ = find  # type: ignore[method-assign]
