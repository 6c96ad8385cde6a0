"""T2T's modules of single problems, from t2tlite's built-in ones: translate_envi, imdb, ..."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from t2tlite.compat.problems import with_t2ts_names
from t2tlite.plugins.absent import AbsentName

# What T2T's modules of problems import, and plugins reach through them.
_REACHED = {
    **dict.fromkeys(
        ["generator_utils", "problem", "text_encoder", "text_problems", "tokenizer", "translate"],
        "data_generators",
    ),
    **dict.fromkeys(["metrics", "registry"], "utils"),
}


class BuiltIn(ModuleType):
    """A module of T2T's problems.

    Args:
      name: as T2T has it.
      ours: the module of t2tlite's problems.
    """

    def __init__(self, name: str, ours: ModuleType) -> None:
        super().__init__(name)
        self._ours = ours
        self._made: dict[str, type] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _REACHED:
            return importlib.import_module(f"{__package__}.tensor2tensor.{_REACHED[name]}.{name}")
        if name == "EOS":
            return self.__getattr__("text_encoder").EOS_ID
        if not hasattr(self._ours, name):
            return AbsentName(f"{self.__name__}.{name}")
        found = getattr(self._ours, name)
        if not isinstance(found, type):
            return found
        return self._made.setdefault(name, with_t2ts_names(found))


def find(name: str) -> BuiltIn | None:
    """T2T's module of that name, if t2tlite has its problems."""
    package, _, last = name.rpartition(".")
    if package != "tensor2tensor.data_generators":
        return None
    try:
        return BuiltIn(name, importlib.import_module(f"t2tlite.problems.{last}"))
    except ModuleNotFoundError:
        return None
