"""T2T's modules of single problems, such as translate_envi, from t2tlite's built-in problems."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from t2tlite.compat.problems import with_t2t_names
from t2tlite.plugins.absent import AbsentName

# Modules that T2T's problem modules import, which plugins reach through them, by package.
_IMPORTED = {
    **dict.fromkeys(
        ["generator_utils", "problem", "text_encoder", "text_problems", "tokenizer", "translate"],
        "data_generators",
    ),
    **dict.fromkeys(["metrics", "registry"], "utils"),
}


class BuiltInModule(ModuleType):
    """A module of T2T's problems.

    Args:
      name: T2T's name of the module.
      source: the module of t2tlite's built-in problems.
    """

    def __init__(self, name: str, source: ModuleType) -> None:
        super().__init__(name)
        self._source = source
        self._classes: dict[str, type] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _IMPORTED:
            return importlib.import_module(f"{__package__}.tensor2tensor.{_IMPORTED[name]}.{name}")
        if name == "EOS":
            return self.__getattr__("text_encoder").EOS_ID
        if not hasattr(self._source, name):
            return AbsentName(f"{self.__name__}.{name}")
        value = getattr(self._source, name)
        if not isinstance(value, type):
            return value
        return self._classes.setdefault(name, with_t2t_names(value))


def find_module(name: str) -> BuiltInModule | None:
    """Returns T2T's module of this name if t2tlite has its problems."""
    package, _, last = name.rpartition(".")
    if package != "tensor2tensor.data_generators":
        return None
    try:
        return BuiltInModule(name, importlib.import_module(f"t2tlite.problems.{last}"))
    except ModuleNotFoundError:
        return None
