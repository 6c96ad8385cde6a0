"""T2T's modules of single problems, such as translate_envi, from t2tlite's built-in problems."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from t2tlite.compat.problems import names_of

# Modules that T2T's problem modules import, which plugins reach through them, by package.
_IMPORTED = {
    **dict.fromkeys(
        ["generator_utils", "problem", "text_encoder", "text_problems", "tokenizer", "translate"],
        "data_generators",
    ),
    **dict.fromkeys(["metrics", "registry"], "utils"),
}


def find_module(name: str) -> ModuleType | None:
    """Returns T2T's module of this name if t2tlite has its problems."""
    package, _, last = name.rpartition(".")
    if package != "tensor2tensor.data_generators":
        return None
    try:
        get_name = names_of(importlib.import_module(f"t2tlite.problems.{last}"), name)
    except ModuleNotFoundError:
        return None

    def get(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if attribute == "EOS":
            return get("text_encoder").EOS_ID
        if package := _IMPORTED.get(attribute):
            return importlib.import_module(f"{__package__}.tensor2tensor.{package}.{attribute}")
        return get_name(attribute)

    module = ModuleType(name)
    module.__getattr__ = get  # type: ignore[method-assign]
    return module
