"""Parses `name=value,name=value`, as in --hparams; converts and checks values by type hint."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

from t2tlite.errors import HParamsError

_DESCRIPTIONS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class Bounds(NamedTuple):
    """The least and the greatest allowed value, as metadata of an `Annotated` type."""

    low: float
    high: float


def parse_assignments(assignments: str) -> list[tuple[str, str]]:
    """Splits `"a=1, b=x,c=[1,2]"` into (name, text) pairs.

    Raises:
      HParamsError: a part isn't `name=value`.
    """
    pairs = []
    for part in re.findall(r"(?:\[[^\]]*\]|[^,\[])+", assignments):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise HParamsError(f"{part.strip()!r} is not name=value; write --hparams='a=1,b=2'")
        pairs.append((name.strip(), value.strip()))
    return pairs


def convert(name: str, value: Any, hint: Any) -> Any:
    """Converts a value to the type of a field: strings are parsed, ints become floats.

    Args:
      name: of the hparam, for the error message.
      value: a value of the type, or its text.
      hint: a type, a `Literal` or `TYPE | None`.

    Raises:
      HParamsError: the value isn't of the type.
    """
    if isinstance(hint, types.UnionType):
        if value is None or value in ("None", "none", ""):
            return None
        hint = typing.get_args(hint)[0]
    kind = typing.get_origin(hint) or hint
    if kind is typing.Literal:
        kind = type(typing.get_args(hint)[0])
    if kind is str and value is None:
        return "none"
    try:
        if kind is bool:
            return value if isinstance(value, bool) else _BOOLEANS[str(value).lower()]
        if kind in (int, float):
            number = float(value)
            if isinstance(value, bool) or (kind is int and number != int(number)):
                raise ValueError
            # An int isn't rounded to 53 bits by way of float.
            return int(value) if kind is int and isinstance(value, int) else kind(number)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise HParamsError(f"{name}={value!r} is not {_DESCRIPTIONS[kind]}") from None
    if not isinstance(value, kind):
        raise HParamsError(f"{name}={value!r} is not {_DESCRIPTIONS.get(kind, kind.__name__)}")
    return value


def check_fields(hparams: Any, hints: Mapping[str, Any]) -> None:
    """Checks that each value is within its field's bounds or choices.

    Args:
      hparams: an instance of a dataclass.
      hints: its types by field, of which `Annotated[..., Bounds]` and `Literal` are checked.

    Raises:
      HParamsError: the first value that isn't, with the values that are.
    """
    for name, hint in hints.items():
        value = getattr(hparams, name)
        for low, high in getattr(hint, "__metadata__", ()):
            if low == high != value:
                raise HParamsError(f"{name}={value} is not supported; leave it at {low}")
            if not low <= value <= high:
                raise HParamsError(f"{name}={value} is outside {low} to {high}")
        choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
        if choices and value not in choices:
            shown = [choice for choice in choices if choice]
            close = difflib.get_close_matches(str(value), shown, n=1)
            advice = f"; did you mean {close[0]}?" if close else ""
            raise HParamsError(f"{name}={value} is not one of: {', '.join(shown)}{advice}")


def parse_like(name: str, text: str, example: Any) -> Any:
    """Parses the value of an hparam that has no typed field, by the type of its present value.

    Raises:
      HParamsError: the text isn't of that type.
    """
    if isinstance(example, (list, tuple)):
        items = [item.strip() for item in text.strip("[]").split(",") if item.strip()]
        kind = type(example[0]) if example else str
        return [convert(name, item, kind) for item in items]
    return text if example is None else convert(name, text, type(example))
