"""T2T's registries as tables: `registry.Registries.problems["my_problem"]` and the like."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from t2tlite import registry
from t2tlite.errors import DuplicateNameError, HParamsError, UnknownNameError


def snake_name(thing: Any) -> str:
    """Returns the default name of a registered class or function."""
    return registry.snake_case(thing.__name__)


class Registry(Mapping[Any, Any]):
    """A table of functions and classes by key, as plugins may make for things of their own.

    Args:
      registry_name: of the table, for error messages.
      default_key_fn: returns the key of what is registered without one.
      validator: called with key and value before a value is set; raises if it can't be.
      on_set: called with key and value after a value was set.
      value_transformer: called with key and value; returns what a look-up gives.
    """

    def __init__(
        self,
        registry_name: str,
        default_key_fn: Callable[[Any], Any] = snake_name,
        validator: Callable[[Any, Any], None] = lambda key, value: None,
        on_set: Callable[[Any, Any], None] = lambda key, value: None,
        value_transformer: Callable[[Any, Any], Any] = lambda key, value: value,
    ) -> None:
        self.name = registry_name
        self.default_key, self.validate, self.on_set = default_key_fn, validator, on_set
        self._transform = value_transformer
        self._entries: dict[Any, Any] = {}

    def register(self, key_or_value: Any = None) -> Any:
        """Registers a callable: `@register`, `@register()` or `@register("key")`."""

        def decorate(value: Any) -> Any:
            self[None if callable(key_or_value) else key_or_value] = value
            return value

        return decorate(key_or_value) if callable(key_or_value) else decorate

    def __setitem__(self, key: Any, value: Any) -> None:
        if not callable(value):
            raise ValueError(f"{value!r} isn't callable; register a function or a class")
        key = self.default_key(value) if key is None else key
        if key in self._entries:
            raise DuplicateNameError(
                f"{key} is already registered in {self.name}; choose another name"
            )
        self.validate(key, value)
        self._entries[key] = value
        self.on_set(key, value)

    def __getitem__(self, key: Any) -> Any:
        if key not in self._entries:
            known = ", ".join(map(str, self._entries)) or "none"
            raise UnknownNameError(f"{key} was never registered in {self.name}; there are: {known}")
        return self._transform(key, self._entries[key])

    def __contains__(self, key: Any) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _clear(self) -> None:
        self._entries.clear()


class View(Mapping[str, Any]):
    """A registry of t2tlite as T2T's table.

    Args:
      table: the registry.
      look_up: returns what a look-up gives.
    """

    def __init__(self, table: registry.Registry, look_up: Callable[[str], Any]) -> None:
        self._table, self._look_up = table, look_up
        self.register = table.register

    def __getitem__(self, name: str) -> Any:
        return self._look_up(name)

    def __contains__(self, name: Any) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(list(self._table))

    def _clear(self) -> None:
        self._table.clear()


def two_arguments(name: Any, function: Any) -> None:
    """Checks the signature of an optimizer.

    Raises:
      HParamsError: it isn't `(learning_rate, hparams)`.
    """
    spec = inspect.getfullargspec(function)
    if len(spec.args) != 2 or spec.varargs or spec.varkw:
        raise HParamsError(
            f"optimizer {name} must take two arguments, learning_rate and hparams; found "
            f"{inspect.signature(function)}"
        )
