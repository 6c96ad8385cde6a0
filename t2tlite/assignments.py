"""Parses `name=value,name=value`, as in --hparams; converts and checks values by type hint."""

from __future__ import annotations

import contextlib
import difflib
import functools
import math
import operator
import os
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, Self

from t2tlite.errors import HParamsError

_DESCRIPTIONS = {
    bool: "true or false",
    int: "an integer",
    float: "a finite number",
    str: "a string",
}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class Bounds(NamedTuple):
    """The least and the greatest allowed value, as metadata of an `Annotated` type.

    `also` is a value outside of them that is allowed, such as -1 for "all".
    """

    low: float
    high: float
    also: float | None = None


MAX_SEED = 2**32 - 1  # of NumPy


class Pattern(NamedTuple):
    """A regular expression that a whole string matches, as metadata of an `Annotated` type."""

    regex: str
    expected: str  # what it matches, in words


class CheckedFields:
    """Base class of dataclasses: converts a value when it is assigned, and checks all of them."""

    def __setattr__(self, name: str, value: Any) -> None:
        hints = field_hints(type(self))
        if name not in hints:
            close = " or ".join(difflib.get_close_matches(name, hints, n=3))
            hint = f"did you mean {close}?" if close else f"it has {list(hints)}"
            raise HParamsError(f"{type(self).__name__} has no field {shown(name)}: {hint}")
        object.__setattr__(self, name, convert(name, value, hints[name]))

    def check(self) -> Self:
        """Checks that each value is within its field's bounds or choices; returns self.

        Raises:
          HParamsError: the first value that isn't, with the values that are.
        """
        check_fields(self, field_hints(type(self)))
        return self


# Returns the type hints of a dataclass by field, with the metadata of `Annotated` types.
field_hints: Callable[[type], dict[str, Any]] = functools.cache(
    functools.partial(typing.get_type_hints, include_extras=True)
)


def shown(value: Any, quoted: bool = False) -> str:
    """Returns a value for an error message: one line of at most 80 characters."""
    try:
        plain = isinstance(value, str) and value.isprintable() and not quoted
        text = value if plain else repr(value)
    except ValueError:  # Python doesn't print integers of over 4300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def parse_assignments(assignments: str | Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Splits `"a=1, b=x,c=[1,2],d[0]=3"` into (name, text) pairs, or a dict into its items.

    Raises:
      HParamsError: a part isn't `name=value`, or a name is assigned twice.
    """
    if isinstance(assignments, Mapping):
        return list(assignments.items())
    if not isinstance(assignments, str):
        found = shown(assignments, quoted=True)
        raise HParamsError(f"hparams={found}; expected 'a=1,b=2' or a dict")
    pairs: list[tuple[str, str]] = []
    for part in re.findall(r"(?:\[[^\]]*\]|[^,])+", assignments):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            found = shown(part.strip(), quoted=True)
            raise HParamsError(f"{found} is not name=value; write --hparams='a=1,b=2'")
        pairs.append((name.strip(), value.strip()))
    _refuse_repeats(pairs)
    return pairs


def split_index(name: str) -> tuple[str, int | None]:
    """Splits the name of an assignment: `"d[2]"` -> `("d", 2)`, `"d"` -> `("d", None)`."""
    match = re.fullmatch(r"(.*?)\s*\[\s*(\d+)\s*\]", name)
    return (match[1], int(match[2])) if match else (name, None)


def with_item(name: str, items: Any, index: int, text: Any) -> list[Any]:
    """Returns the list of an hparam with one item replaced.

    Args:
      name: of the hparam.
      items: its present value.
      index: of the item.
      text: the new item, converted to the type of the old one.

    Raises:
      HParamsError: the value is no list, has no such item, or the new one has another type.
    """
    if not isinstance(items, (list, tuple)) or index >= len(items):
        raise HParamsError(f"{name}[{index}] doesn't exist: {name} is {shown(items, quoted=True)}")
    if str(text).startswith("["):
        raise HParamsError(f"{name}[{index}]={shown(text)} is a list; assign one item, or {name}")
    item = convert(f"{name}[{index}]", text, type(items[index]))
    return [*items[:index], item, *items[index + 1 :]]


def _refuse_repeats(pairs: list[tuple[str, str]]) -> None:
    seen: dict[tuple[str, int | None], str] = {}
    for name, text in pairs:
        key, index = split_index(name)
        clashes = [k for k in seen if k[0] == key and (index is None or k[1] in (None, index))]
        if clashes:
            raise HParamsError(
                f"{name} is assigned twice, {shown(seen[clashes[0]])} and {shown(text)}; keep one"
            )
        seen[key, index] = text


def convert(name: str, value: Any, hint: Any) -> Any:
    """Converts a value to the type of a field: strings are parsed, 4.0 and 4 are the same.

    Args:
      name: of the hparam, for the error message.
      value: a value of the type, or its text.
      hint: a type, a `Literal`, `TYPE | None`, or one of them in `Annotated`.

    Raises:
      HParamsError: the value isn't of the type, or isn't finite.
    """
    if typing.get_origin(hint) is Annotated:
        hint = hint.__origin__
    if isinstance(hint, types.UnionType):
        if value is None or value in ("None", "none", ""):
            return None
        hint = typing.get_args(hint)[0]
    kind = typing.get_origin(hint) or hint
    if kind is typing.Literal:
        kind = type(typing.get_args(hint)[0])
    if kind is str and value is None:
        return "none"
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    try:
        if kind is bool:
            return value if isinstance(value, bool) else _BOOLEANS[str(value).lower()]
        if kind in (int, float):
            return _parse_number(value, kind)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise HParamsError(
            f"{name}={shown(value, quoted=True)} is not {_DESCRIPTIONS[kind]}"
        ) from None
    if not isinstance(value, kind):
        expected = _DESCRIPTIONS.get(kind, kind.__name__)
        raise HParamsError(f"{name}={shown(value, quoted=True)} is not {expected}")
    return value


def _parse_number(value: Any, kind: type) -> int | float:
    if isinstance(value, bool):
        raise ValueError
    if kind is int:
        # An integer isn't rounded to 53 bits by way of float.
        with contextlib.suppress(TypeError, ValueError):
            return int(value) if isinstance(value, str) else operator.index(value)
    number = float(value)
    if not math.isfinite(number) or (kind is int and number != int(number)):
        raise ValueError
    return int(number) if kind is int else number


def check_fields(hparams: Any, hints: Mapping[str, Any]) -> None:
    """Checks that each value of a dataclass is within its field's bounds or choices.

    Args:
      hparams: an instance of a dataclass.
      hints: its types by field, as of `field_hints`.

    Raises:
      HParamsError: the first value that isn't, with the values that are.
    """
    for name, hint in hints.items():
        check_value(name, getattr(hparams, name), hint)


def check_value(name: str, value: Any, hint: Any) -> None:
    """Checks a value by `Bounds` or `Pattern` in an `Annotated` type, or by a `Literal`.

    Raises:
      HParamsError: it isn't allowed; the message says what is.
    """
    choices = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
    if choices and value not in choices:
        listed = [choice for choice in choices if choice]
        close = difflib.get_close_matches(str(value), listed, n=1)
        advice = f"; did you mean {close[0]}?" if close else ""
        raise HParamsError(f"{name}={shown(value)} is not one of: {', '.join(listed)}{advice}")
    for rule in getattr(hint, "__metadata__", ()):
        if value is None:
            continue
        if isinstance(rule, Pattern):
            if not re.fullmatch(rule.regex, value):
                raise HParamsError(f"{name}={shown(value)} is not {rule.expected}")
        elif rule.low == rule.high != value:
            raise HParamsError(f"{name}={value} is not supported; leave it at {rule.low}")
        elif not rule.low <= value <= rule.high and value != rule.also:
            other = "" if rule.also is None else f", and not {rule.also}"
            raise HParamsError(f"{name}={shown(value)} is outside {rule.low} to {rule.high}{other}")


def parse_like(name: str, value: Any, example: Any) -> Any:
    """Converts the value of an hparam that has no typed field, by the type of its present value.

    Raises:
      HParamsError: the value isn't of that type.
    """
    if example is None:
        return value
    if not isinstance(example, (list, tuple)):
        return convert(name, value, type(example))
    if isinstance(value, str):
        value = [item.strip() for item in value.strip("[]").split(",") if item.strip()]
    if not isinstance(value, (list, tuple)):
        raise HParamsError(f"{name}={shown(value)} is not a list; write {name}=[1,2]")
    kind = type(example[0]) if example else None
    return [convert(name, item, kind) if kind else item for item in value]
