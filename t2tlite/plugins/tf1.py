"""TF1's names in `tensorflow` for plugins only: tf.gfile, tf.logging, tf.flags and so on.

They come from tf.compat.v1; names that TensorFlow 2 removed raise when they are used.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from t2tlite.plugins.stand_ins import AbsentName

# Submodules of tf that had more names in TF1; "" is tf itself.
_PARTS = ["", "data", "image", "io", "math", "nn", "random", "strings", "summary", "train"]

# Names that tf.compat.v1 lacks.
_GONE = {"layers", "rnn_cell", "static_rnn", "dynamic_rnn", "bidirectional_dynamic_rnn"}


class _Estimator(AbsentName):
    """tf.estimator, of which only the modes are left: hooks compare their `mode` with them."""

    ModeKeys = SimpleNamespace(TRAIN="train", EVAL="eval", PREDICT="infer")


def add_names(tensorflow: Any, called_by_plugin: Callable[[], bool]) -> None:
    """Adds TF1's names to the module `tensorflow`, unless it has them already.

    Args:
      tensorflow: the module.
      called_by_plugin: whether a plugin is among the callers; other code doesn't see the names.
    """
    if getattr(vars(tensorflow).get("__getattr__"), "has_tf1_names", False):
        return
    for name in _PARTS:
        part = getattr(tensorflow, name) if name else tensorflow
        old = getattr(tensorflow.compat.v1, name) if name else tensorflow.compat.v1
        _add_to(part, old, f"tensorflow.{name}".rstrip("."), called_by_plugin)


def _add_to(part: ModuleType, old: Any, path: str, called_by_plugin: Callable[[], bool]) -> None:
    before = vars(part).get("__getattr__")

    def getattribute(name: str) -> Any:
        if before is not None:
            with contextlib.suppress(AttributeError):
                return before(name)
        # Python's import system looks up names that start with an underscore.
        if not name.startswith("_") and called_by_plugin():
            if hasattr(old, name):
                return getattr(old, name)
            if name == "estimator":
                return _Estimator(f"{path}.{name}")
            if name == "contrib":
                # By name, because compat is a layer above this one.
                return importlib.import_module("t2tlite.compat.tensorflow.contrib")
            if name in _GONE:
                return AbsentName(f"{path}.{name}")
        raise AttributeError(f"module {path!r} has no attribute {name!r}")

    getattribute.has_tf1_names = True  # type: ignore[attr-defined]
    part.__getattr__ = getattribute  # type: ignore[method-assign]
