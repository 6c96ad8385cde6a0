"""HParams and the built-in hparams sets with T2T's methods, for plugins' sets."""

from __future__ import annotations

import functools
import importlib
import json
import logging
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from t2tlite import config
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.hparams import T2T_ONLY

log = logging.getLogger(__name__)

_FIELDS = config.HParams.__dataclass_fields__.keys()


class HParams(config.HParams):
    """HParams with T2T's methods. As in T2T, assigning an unknown name adds it, with a warning.

    Args:
      values: hparams by name; those that t2tlite doesn't have are added, such as `data_dir`.
    """

    def __init__(self, **values: Any) -> None:
        self._added: set[str] = set()
        extra = dict(values.pop("extra", {}))
        fields = {name: values.pop(name) for name in _FIELDS if name in values}
        super().__init__(**fields, extra=extra)
        for name, value in values.items():
            self.add_hparam(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_added":
            object.__setattr__(self, name, value)
            return
        try:
            super().__setattr__(name, value)
        except HParamsError as error:
            if name in T2T_ONLY or name in _FIELDS:
                raise
            log.warning("%s is added and has no effect: %s", name, error)
            self.extra[name] = value

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds an hparam; one that t2tlite has is assigned, as not all of T2T's sets have it.

        Raises:
          HParamsError: it was added before.
        """
        if name in self._added:
            raise HParamsError(
                f"Hyperparameter name is reserved: {name} was added before; assign it instead"
            )
        super().add_hparam(name, value)
        self._added.add(name)

    def set_hparam(self, name: str, value: Any) -> None:
        """Assigns an existing hparam."""
        self.assign({name: value})

    def del_hparam(self, name: str) -> None:
        """Removes an added hparam; a field keeps its value."""
        self.extra.pop(name, None)
        self.__dict__.get("_added", set()).discard(name)

    def get(self, key: str, default: Any = None) -> Any:
        """Returns the value of an hparam, or `default` if there is none."""
        return getattr(self, key, default)

    def parse(self, values: str) -> HParams:
        """Assigns from "name=value,name=value"."""
        self.override(values)
        return self

    def parse_json(self, values_json: str) -> HParams:
        """Assigns existing hparams from a JSON object."""
        return self.override_from_dict(json.loads(values_json))

    def override_from_dict(self, values: Mapping[str, Any]) -> HParams:
        """Assigns existing hparams from a dict."""
        self.assign(values)
        return self

    def __contains__(self, name: str) -> bool:
        return name in self.values() or name in T2T_ONLY


def with_t2t_methods(hparams: config.HParams) -> HParams:
    """Returns a copy of hparams that has T2T's methods."""
    return HParams(**{name: getattr(hparams, name) for name in _FIELDS})


class _HParamsOfHook(HParams):
    def add_hparam(self, name: str, value: Any) -> None:
        # The hooks that get the model's hparams are called more often than in T2T.
        config.HParams.add_hparam(self, name, value)


def sharing_values(hparams: config.HParams) -> HParams:
    """Returns HParams with T2T's methods that share their values with `hparams`, for a hook."""
    shared = _HParamsOfHook.__new__(_HParamsOfHook)
    object.__setattr__(shared, "__dict__", hparams.__dict__)
    return shared


def built_in_sets(*modules: str) -> dict[str, Callable[..., Any]]:
    """Returns the functions of modules of t2tlite.hparams by name; sets return T2T's HParams.

    They don't come from the registry, where a plugin may register a set of the same name.
    """
    functions: dict[str, Callable[..., Any]] = {}
    for module in modules:
        for name, function in vars(importlib.import_module(f"t2tlite.hparams.{module}")).items():
            if isinstance(function, FunctionType) and not name.startswith("_"):
                # Other functions change an HParams or fill a range.
                changes = name.startswith("update_") or name.endswith("_range")
                functions[name] = function if changes else _t2t_set(function)
    return functions


def _t2t_set(function: Callable[[], config.HParams]) -> Callable[[], HParams]:
    return functools.wraps(function)(lambda: with_t2t_methods(function()))
