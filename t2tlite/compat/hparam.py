"""T2T's HParams that a program makes from nothing: they hold what it puts in, and no more.

The hparams of a registered set are others (`t2t_hparams.py`): they have t2tlite's fields.
"""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Self

from t2tlite.assignments import shown
from t2tlite.compat import t2t_hparams
from t2tlite.errors import HParamsError, UnknownNameError

_ASSIGNMENT = re.compile(
    r"(?P<name>[a-zA-Z][\w.]*)(\[\s*(?P<index>\d+)\s*\])?\s*=\s*"
    r"(\[(?P<items>[^\]]*)\]|(?P<value>[^,\[]*))(,\s*|$)"
)
_TRUE, _FALSE = ("true", "True"), ("false", "False")


class HParams:
    """Named values; the type of each is that of its first value.

    Args:
      model_structure: kept, and returned by `get_model_structure`.
      values: hparams by name.

    Raises:
      HParamsError: a value is an empty list, whose type is unknown.
    """

    def __init__(self, model_structure: Any = None, **values: Any) -> None:
        # By name: the type of the value or of its items, and whether it is a list.
        self._hparam_types: dict[str, tuple[type, bool]] = {}
        self._model_structure = model_structure
        for name, value in values.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds an hparam.

        Raises:
          HParamsError: the name exists, or the value is an empty list.
        """
        if getattr(self, name, None) is not None:
            raise HParamsError(
                f"Hyperparameter name is reserved: {name} exists; assign it, or choose another name"
            )
        if isinstance(value, (list, tuple)):
            if not value:
                raise HParamsError(f"{name} is an empty list, so its type is unknown; give an item")
            self._hparam_types[name] = type(value[0]), True
        else:
            self._hparam_types[name] = type(value), False
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Assigns an existing hparam.

        Raises:
          HParamsError: the value isn't of its type.
          UnknownNameError: there is no such hparam.
        """
        kind, is_list = self._type_of(name)
        if is_list != isinstance(value, list):
            wanted = "Must pass a list for" if is_list else "Must not pass a list for"
            raise HParamsError(f"{wanted} {name}: found {shown(value, quoted=True)}")
        items = value if is_list else [value]
        cast = [_cast(name, kind, item) for item in items]
        setattr(self, name, cast if is_list else cast[0])

    def del_hparam(self, name: str) -> None:
        """Removes an hparam, if it exists."""
        if self._hparam_types.pop(name, None):
            delattr(self, name)

    def get(self, key: str, default: Any = None) -> Any:
        """Returns the value of an hparam, or `default` if there is none.

        Raises:
          HParamsError: `default` isn't of the hparam's type.
        """
        if key not in self._hparam_types:
            return default
        kind, is_list = self._hparam_types[key]
        if default is not None:
            if is_list != isinstance(default, list):
                raise HParamsError(
                    f"{key} is {'' if is_list else 'not '}a list, unlike the default {default!r}"
                )
            for item in default if is_list else [default]:
                _cast(key, kind, item)
        return getattr(self, key)

    def parse(self, values: str) -> Self:
        """Assigns from "name=value,name=[value,value],name[0]=value"; returns self.

        Raises:
          HParamsError: a name doesn't exist or is assigned twice, or a value isn't of its type.
        """
        types = {name: kind for name, (kind, _) in self._hparam_types.items()}
        for name, value in parse_values(values, types).items():
            if isinstance(value, dict):
                value = self._with_items(name, value)
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> Self:
        """Assigns from a JSON object; raises as `override_from_dict`."""
        return self.override_from_dict(json.loads(values_json))

    def override_from_dict(self, values_dict: Mapping[str, Any]) -> Self:
        """Assigns existing hparams; raises as `set_hparam`."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def values(self) -> dict[str, Any]:
        """Returns all hparams by name."""
        return {name: getattr(self, name) for name in self._hparam_types}

    def to_json(
        self,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        """Returns the hparams as JSON, without functions and classes; arguments of `json.dumps`."""
        values = _without_callables(self.values())
        return json.dumps(values, indent=indent, separators=separators, sort_keys=sort_keys)

    def copy(self) -> HParams:
        """Returns an independent copy."""
        return HParams(self._model_structure, **self.values())

    def complete(self) -> t2t_hparams.HParams:
        """Returns hparams with all of t2tlite's fields; those that aren't here have defaults."""
        return t2t_hparams.HParams(**self.values())

    def set_model_structure(self, model_structure: Any) -> None:
        """Keeps an object."""
        self._model_structure = model_structure

    def get_model_structure(self) -> Any:
        """Returns the object that was kept."""
        return self._model_structure

    def __contains__(self, key: str) -> bool:
        return key in self._hparam_types

    def __str__(self) -> str:
        return str(sorted(self.values().items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def _type_of(self, name: str) -> tuple[type, bool]:
        if name not in self._hparam_types:
            known = ", ".join(self._hparam_types) or "none"
            raise UnknownNameError(f"no hparam is named {name}; there are: {known}")
        return self._hparam_types[name]

    def _with_items(self, name: str, items: Mapping[int, Any]) -> Any:
        """Returns the list of an hparam with some items replaced."""
        value = getattr(self, name)
        if not isinstance(value, (list, tuple)) or max(items) >= len(value):
            raise HParamsError(
                f"{name}[{max(items)}] doesn't exist: {name} is {shown(value, quoted=True)}"
            )
        return [items.get(i, item) for i, item in enumerate(value)]


def parse_values(
    values: str, type_map: Mapping[str, type], ignore_unknown: bool = False
) -> dict[str, Any]:
    """Parses "name=value,name=[value,value],name[0]=value".

    Args:
      values: the assignments.
      type_map: the type of each name; of a list, the type of its items.
      ignore_unknown: leave out names without a type.

    Returns:
      By name a value, a list, or a dict of items by index.

    Raises:
      HParamsError: the text isn't of that form, a name has no type or is assigned twice, or a value
        isn't of its type.
    """
    results: dict[str, Any] = {}
    position = 0
    while position < len(values):
        match = _ASSIGNMENT.match(values, position)
        if not match:
            rest = shown(values[position:], quoted=True)
            raise HParamsError(f"Malformed hyperparameter value: {rest}; expected name=value")
        position = match.end()
        name, index = match["name"], match["index"]
        if name not in type_map:
            if ignore_unknown:
                continue
            raise HParamsError(f"Unknown hyperparameter type for {name} in {values}")
        if index is not None and match["items"] is not None:
            raise HParamsError(f"Assignment of a list to a list index. Found {match[0]!r}")
        if index is None:
            _refuse_twice(name, name in results, values)
            results[name] = _parse(name, type_map[name], match, values)
            continue
        # A name is assigned as a whole or by items.
        items = results.setdefault(name, {})
        _refuse_twice(name, not isinstance(items, dict), values)
        _refuse_twice(f"{name}[{index}]", int(index) in items, values)
        items[int(index)] = _parse(name, type_map[name], match, values)
    return results


def _parse(name: str, kind: type, match: re.Match[str], values: str) -> Any:
    """Returns the value, or list of values, of a matched assignment."""
    convert: Callable[[str], Any] = _parse_bool if kind is bool else kind
    try:
        if match["items"] is None:
            return convert(match["value"])
        return [convert(item) for item in re.split("[ ,]", match["items"]) if item]
    except ValueError:
        raise HParamsError(
            f"Could not parse hparam {name!r} of type {kind.__name__!r} in {values!r}"
        ) from None


def _parse_bool(text: str) -> bool:
    return text in _TRUE or (text not in _FALSE and bool(int(text)))


def _refuse_twice(name: str, is_assigned: bool, values: str) -> None:
    if is_assigned:
        raise HParamsError(f"Multiple assignments to variable {name!r} in {values!r}; keep one")


def _cast(name: str, kind: type, value: Any) -> Any:
    """Returns a value as the type of an hparam, if it can be without loss."""
    if kind is type(None):
        return value

    def refuse() -> NoReturn:
        raise HParamsError(
            f"Could not cast hparam {name!r} of type {kind.__name__!r} from value "
            f"{shown(value, quoted=True)}"
        )

    if issubclass(kind, (str, bytes)) and not isinstance(value, (str, bytes)):
        refuse()
    if issubclass(kind, bool) != isinstance(value, bool):
        refuse()
    if issubclass(kind, numbers.Integral) and not isinstance(value, numbers.Integral):
        refuse()
    if issubclass(kind, numbers.Number) and not isinstance(value, numbers.Number):
        refuse()
    return kind(value)


def _without_callables(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_callables(v) for k, v in value.items() if not callable(v)}
    if isinstance(value, list):
        return [_without_callables(item) for item in value if not callable(item)]
    return value
