"""Mixtures by their members' names, as --problem takes them: "a<2de>:0.7+b<2fr>:0.3*0.5"."""

from __future__ import annotations

from typing import Any

from t2tlite.config import HParams
from t2tlite.errors import DataError
from t2tlite.mixtures.mixture import Mixture
from t2tlite.mixtures.schedule import mixing_of
from t2tlite.problem_vocabulary import VocabType


def of_spec(spec: str) -> Mixture:
    """Returns the mixture of a text such as "a+b", "a<2de>:0.7+b<2fr>:0.3" or "a+b temperature=5".

    Each member may have a tag in angle brackets, a weight, 1 by default, of which the shares are
    made, and after a star how much its loss counts. After a space come
    `temperature=T`, `vocab_filename=FILE`, `vocab_size=N` or a schedule of T2T's, such as
    "a+b linear @0 1 0 @10000 0.5 0.5".

    Raises:
      DataError: it isn't such a text.
      UnknownNameError: a member isn't registered.
    """
    text, _, rest = spec.strip().partition(" ")
    where = f"the mixture {spec!r}"
    weights: dict[str, float] = {}
    tags: dict[str, str] = {}
    loss_weights: dict[str, float] = {}
    for part in text.split("+"):
        name, tag, weight, loss_weight = _member_of(part, where)
        if name in weights:
            raise DataError(f"{where} names {name} twice; name each member once")
        weights[name] = 1.0 if weight is None else weight
        if tag:
            tags[name] = tag
        if loss_weight is not None:
            loss_weights[name] = loss_weight
    members = {"problems": weights, "tags": tags, "loss_weights": loss_weights}
    members |= _options(rest, where)
    if {"temperature", "schedule"} & set(members):
        if ":" in text:
            raise DataError(f"{where} has weights beside a temperature or schedule; leave them out")
        members["problems"] = list(weights)
    made: Mixture = type("Mixture", (Mixture,), {"__module__": __name__, **members})()
    made.name = "+".join(weights)
    # Unknown members and impossible weights are errors at once.
    mixing_of(made, dict.fromkeys(made.members, 1), HParams())
    return made


def _member_of(part: str, where: str) -> tuple[str, str, float | None, float | None]:
    """Returns the name, the tag, the weight and the loss weight of a member."""
    rest, tag = part, ""
    if "<" in part:
        rest, _, after = part.partition("<")
        inner, closed, after = after.rpartition(">")
        if not (closed and inner):
            raise DataError(f"{where}: found {part!r}; expected a tag such as <2de> after the name")
        tag, rest = f"<{inner}>", rest + after
    rest, star, loss_weight = rest.partition("*")
    name, colon, weight = rest.partition(":")
    if not name:
        raise DataError(f"{where} has a member without a name; expected NAME+NAME")
    numbers = [
        _number(text, f"{where}: {name} has the {what}") if given else None
        for text, given, what in ((weight, colon, "weight"), (loss_weight, star, "loss weight"))
    ]
    return name, tag, numbers[0], numbers[1]


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(f"{where} {text!r}; expected a number, such as 0.7") from None


def _options(text: str, where: str) -> dict[str, Any]:
    """Returns the attributes that the words after the members set."""
    words = text.split()
    if words and "=" not in words[0]:
        return {"schedule": text}
    options: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            if name == "temperature":
                options["temperature"] = float(value)
            elif name == "vocab_size":
                options |= {"approx_vocab_size": int(value), "vocab_type": VocabType.SUBWORD}
            elif name == "vocab_filename" and value:
                options["vocab_filename"] = value
            else:
                raise ValueError
        except ValueError:
            raise DataError(
                f"{where}: found {word!r}; expected temperature=5, vocab_size=8000, "
                f"vocab_filename=FILE or a schedule such as 'linear @0 1 0 @10000 0.5 0.5'"
            ) from None
    return options
