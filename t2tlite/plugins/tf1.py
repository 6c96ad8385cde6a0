"""TF1's names in `tensorflow` for plugins only: tf.gfile, tf.logging, tf.flags and so on.

They come from tf.compat.v1, and those that it lacks from compat/tensorflow; names that TensorFlow 2
removed raise when they are used.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from t2tlite.plugins.stand_ins import AbsentName

# Submodules of tf that had more names in TF1.
_PARTS = ["data", "image", "io", "math", "nn", "random", "strings", "summary", "train"]

# Modules that tf.compat.v1 lacks.
MIRRORED = {"contrib", "estimator"}

# Functions of tf.compat.v1 that would turn off what t2tlite needs.
_SWITCHES = ["control_flow_v2", "eager_execution", "resource_variables", "tensor_equality"]
_SWITCHES += ["v2_behavior", "v2_tensorshape"]


class Callers(NamedTuple):
    """Who asks for a name.

    Attributes:
      include_plugin: whether a plugin is among the callers; other code doesn't see the names.
      are_plugin: whether a plugin itself asks, not a library that it called. Libraries look for
        names that TensorFlow 2 removed to find out which TensorFlow there is.
    """

    include_plugin: Callable[[], bool]
    are_plugin: Callable[[], bool]


def add_names(tensorflow: Any, callers: Callers) -> None:
    """Adds TF1's names to the module `tensorflow`, unless it has them already."""
    if _has_names(tensorflow):
        return
    v1 = tensorflow.compat.v1
    _add_to(tensorflow, v1, "tensorflow", callers)
    for name in _PARTS:
        _add_to(getattr(tensorflow, name), getattr(v1, name), f"tensorflow.{name}", callers)
    add_removed_names(v1, callers)
    _show_log(callers)


def add_names_of_part(part: ModuleType, callers: Callers) -> None:
    """Adds TF1's names to a module such as tensorflow.nn, which `import` makes anew."""
    if not _has_names(part):
        _add_to(part, module(part.__name__), part.__name__, callers)


def add_removed_names(v1: Any, callers: Callers) -> None:
    """Adds what `tensorflow.compat.v1` lacks of TF1; plugins can't turn TensorFlow 2 off by it.

    Args:
      v1: the module; `import tensorflow.compat.v1` makes another one than tf.compat.v1.
      callers: who see the names.
    """
    # The module delegates to this one what it doesn't find.
    wrapped = getattr(v1, "_tfmw_wrapped_module", v1)
    if _has_names(wrapped):
        return
    _add_to(wrapped, None, "tensorflow", callers)
    v1.layers = _WithoutKeras3(v1.layers, "tensorflow.layers", callers)
    if not isinstance(v1.nn.rnn_cell, _WithoutKeras3):
        v1.nn.rnn_cell = _WithoutKeras3(v1.nn.rnn_cell, "tensorflow.nn.rnn_cell", callers)
    for switch in _SWITCHES:
        name = f"disable_{switch}"
        setattr(v1, name, _unless(callers.are_plugin, getattr(v1, name)))


class _WithoutKeras3(ModuleType):
    """A module of tf.compat.v1 whose names Keras 3 lacks."""

    def __init__(self, module: Any, path: str, callers: Callers) -> None:
        super().__init__(path)
        self._module, self._callers = module, callers

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self._module, name)
        except AttributeError:
            if name.startswith("_") or not self._callers.are_plugin():
                raise
            return AbsentName(f"{self.__name__}.{name}")


def module(name: str) -> ModuleType | None:
    """Returns the module that tf.compat.v1 has for a module of TF1, such as tensorflow.gfile."""
    found: Any = importlib.import_module("tensorflow").compat.v1
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    return found if isinstance(found, ModuleType) else None


def _unless(condition: Callable[[], bool], function: Callable[[], None]) -> Callable[[], None]:
    return functools.wraps(function)(lambda: None if condition() else function())


def _has_names(part: ModuleType) -> bool:
    return getattr(vars(part).get("__getattr__"), "has_tf1_names", False)


def _show_log(callers: Callers) -> None:
    """Shows what plugins log by tf.logging.info, as T2T's commands did."""
    logger = logging.getLogger("tensorflow")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    logger.addFilter(lambda record: record.levelno > logging.INFO or callers.include_plugin())


def _add_to(part: ModuleType, old: Any, path: str, callers: Callers) -> None:
    before = vars(part).get("__getattr__")

    def getattribute(name: str) -> Any:
        if before is not None:
            with contextlib.suppress(AttributeError):
                return before(name)
        # Python's import system looks up names that start with an underscore.
        if not name.startswith("_") and callers.include_plugin():
            if name in MIRRORED and path == "tensorflow" and callers.are_plugin():
                # By name, because compat is a layer above this one.
                return importlib.import_module(f"t2tlite.compat.{path}.{name}")
            if hasattr(old, name):
                return getattr(old, name)
        raise AttributeError(f"module {path!r} has no attribute {name!r}")

    getattribute.has_tf1_names = True  # type: ignore[attr-defined]
    part.__getattr__ = getattribute  # type: ignore[method-assign]


# What adds names to a module of TensorFlow, by the module's name.
ADDED = {
    "tensorflow": add_names,
    "tensorflow.compat.v1": add_removed_names,
    **{f"tensorflow.{name}": add_names_of_part for name in _PARTS},
}
