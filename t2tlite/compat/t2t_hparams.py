"""HParams as a plugin's functions of T2T's time treat it."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from types import FunctionType
from typing import Any

from t2tlite import config
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.hparams import T2T_ONLY

log = logging.getLogger(__name__)


class HParams(config.HParams):
    """What T2T's sets return to a plugin: t2tlite's HParams with T2T's methods.

    As in T2T, a name that doesn't exist may be assigned; here that is told.
    """

    @classmethod
    def of(cls, hparams: config.HParams) -> HParams:
        """Returns these hparams with T2T's methods."""
        made = cls.from_values(hparams.values())
        assert isinstance(made, cls)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except HParamsError as error:
            if name in T2T_ONLY or name in config.HParams.__dataclass_fields__:
                raise
            log.warning("%s; it is kept and has no effect", error)
            self.extra[name] = value

    def set_hparam(self, name: str, value: Any) -> None:
        """Assigns an hparam that exists."""
        self.override(f"{name}={value}") if isinstance(value, str) else setattr(self, name, value)

    def del_hparam(self, name: str) -> None:
        """Forgets an added hparam; one of t2tlite's own keeps its value."""
        self.extra.pop(name, None)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of an hparam, or `default` if there is none."""
        return getattr(self, key, default)

    def parse(self, values: str) -> HParams:
        """Assigns from "name=value,name=value"."""
        self.override(values)
        return self

    def override_from_dict(self, values: dict[str, Any]) -> HParams:
        """Assigns from a dict."""
        for name, value in values.items():
            setattr(self, name, value)
        return self

    def __contains__(self, name: str) -> bool:
        return name in self.values() or name in T2T_ONLY


def sets_of(family: str) -> dict[str, Callable[..., Any]]:
    """Returns the built-in sets of a family by name, with T2T's methods on what they return.

    They are found by their module, not through the registry: a plugin may register a set of the
    same name.

    Args:
      family: a module of t2tlite.hparams.
    """
    module = importlib.import_module(f"t2tlite.hparams.{family}")
    return {
        # A range fills what it is given, and returns nothing.
        name: function if name.endswith("_range") else _with_t2ts_methods(function)
        for name, function in vars(module).items()
        if isinstance(function, FunctionType)
        and function.__module__ == module.__name__
        and not name.startswith(("_", "update_"))
    }


def _with_t2ts_methods(function: Callable[[], Any]) -> Callable[[], HParams]:
    def made() -> HParams:
        return HParams.of(function())

    made.__name__ = function.__name__
    made.__doc__ = function.__doc__
    return made
