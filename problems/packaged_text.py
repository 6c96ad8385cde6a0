"""Texts installed as Python packages: data that needs no download."""

from __future__ import annotations

import importlib
from types import ModuleType

from t2tlite.errors import DataError


def load(module: str) -> ModuleType:
    """Imports a module of a package of the extra `demo`.

    Raises:
      DataError: the package isn't installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise DataError(
            f"no module named {error.name}, which contains this problem's text; install it with: "
            f"pip install 't2tlite[demo]'"
        ) from None
