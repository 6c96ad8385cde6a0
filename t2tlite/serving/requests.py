"""What the formats of requests share: JSON objects, lines, limits, and decode settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from t2tlite.assignments import shown
from t2tlite.decode.decode_hparams import MAX_BEAMS, DecodeHParams
from t2tlite.errors import HParamsError
from t2tlite.serving.limits import Limits
from t2tlite.serving.served_model import Line, SeededLine, ServedModel, Settings

# Giving one of them means sampling.
CUTS = ("sampling_temp", "sampling_keep_top_k", "sampling_top_p")
# The decode hparams that a request may set; the server's flags fix the others. All that their
# values compile is kept (`keras_engine.MOST_SEARCHES`): clients can't make it compile forever.
SETTINGS = (
    *("beam_size", "alpha", "extra_length"),
    *("sampling_method", *CUTS, "random_seed", "decode_tag"),
)


class RequestError(Exception):
    """A request can't be answered; `status` is the answer's HTTP status."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Parameters:
    """How to decode the lines of a request.

    Attributes:
      n: number of answers to each line; None: the best alone.
      seed: makes the samples of a line depend on this number and the line alone; None: random.
    """

    settings: Settings
    n: int | None = None
    seed: int | None = None

    @property
    def rows(self) -> int:
        """How often a line is decoded: a sample is a row of its own, a search has n answers."""
        return (self.n or 1) if self.settings.samples else 1

    def repeated(self, lines: list[Line]) -> list[Line | SeededLine]:
        """Returns the rows of all lines."""
        if self.seed is None or not self.settings.samples:
            return [line for line in lines for _ in range(self.rows)]
        first = self.seed * MAX_BEAMS
        return [SeededLine(line, first + i) for line in lines for i in range(self.rows)]


def parse_object(body: bytes, expected: str) -> dict[str, Any]:
    """Returns the JSON object of a body."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body isn't JSON: {error}") from None
    if not isinstance(content, dict):
        raise RequestError(400, f"the body isn't a JSON object; expected {expected}")
    return content


def parse_parameters(
    parameters: Any, served: ServedModel, limits: Limits, stream: bool = False
) -> Parameters:
    """Returns what the object "parameters" asks for.

    Args:
      parameters: decode hparams by name, and "n".
      stream: whether the answer is streamed, which a beam search can't: it is greedy by default.
    """
    known = sorted([*SETTINGS, "n"])
    if not isinstance(parameters, dict) or (parameters.keys() - set(known)):
        raise RequestError(400, f'"parameters" must be an object of {known}')
    n = None
    if "n" in parameters:
        n = parse_integer("n", parameters["n"], 1, limits.max_beam_size)
    changes = {name: value for name, value in parameters.items() if name != "n"}
    if "sampling_method" not in changes:
        if any(name in changes for name in CUTS):
            changes["sampling_method"] = "random"
        elif "beam_size" in changes and served.settings.samples:
            changes["sampling_method"] = "argmax"
    seed = changes.pop("random_seed", None)
    if seed is not None:
        _override(served.settings, {"random_seed": seed}, limits)
    settings = _override(served.settings, changes, limits)
    if settings.samples and "beam_size" in changes:
        raise RequestError(
            400, '"beam_size" has no effect on sampling; give "sampling_method": "argmax" to search'
        )
    if stream and not settings.samples:
        if changes.get("beam_size", 1) != 1 or (n or 1) > 1:
            raise RequestError(
                400, 'a beam search can\'t be streamed; leave out "beam_size" and "n", or sample'
            )
        settings.override({"beam_size": 1})
    elif stream and (n or 1) > 1:
        raise RequestError(400, 'one answer can be streamed; leave out "n"')
    if not settings.samples and n is not None and n > settings.beam_size:
        if "beam_size" in changes:
            raise RequestError(400, f'"n" is {n}, more than "beam_size", {settings.beam_size}')
        settings.beam_size = n
    return Parameters(settings, n, seed)


def _override(defaults: Settings, changes: Mapping[str, Any], limits: Limits) -> Settings:
    """Returns the settings with changes, within limits."""
    settings = dataclasses.replace(defaults)
    most = {
        "beam_size": limits.max_beam_size,
        "extra_length": max(limits.max_extra_length, defaults.extra_length),
    }
    least = {"beam_size": 1}
    for name, value in changes.items():
        if name in most:
            parse_integer(name, value, least.get(name, 0), most[name])
        is_text = name in ("sampling_method", "decode_tag")
        if isinstance(value, bool) or not isinstance(value, str if is_text else int | float):
            expected = "a string" if is_text else "a number"
            raise RequestError(400, f'"{name}" is {shown(value, quoted=True)}; expected {expected}')
    try:
        # Checked as decode hparams, so that messages name them.
        DecodeHParams().override(changes).check()
        settings.override(changes)
    except HParamsError as error:
        raise RequestError(400, str(error)) from None
    if settings.sampling_method == "":
        settings.sampling_method = defaults.sampling_method
    return settings


def parse_integer(name: str, value: Any, least: int, most: int) -> int:
    """Returns an integer of a request after checking its range."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(400, f'"{name}" is {shown(value, quoted=True)}; expected an integer')
    if not least <= value <= most:
        raise RequestError(400, f'"{name}" is outside {least} to {most}')
    return value


def parse_flag(name: str, value: Any) -> bool:
    """Returns a boolean of a request; null is false."""
    if not isinstance(value, bool | None):
        raise RequestError(400, f'"{name}" is {shown(value, quoted=True)}; expected true or false')
    return bool(value)


def check_line(line: Line, label: str, limits: Limits) -> None:
    """Checks the length of a line, and that its text is Unicode."""
    unit = "characters" if isinstance(line, str) else "tokens"
    if len(line) > limits.max_line_length:
        raise RequestError(
            413, f"{label} has {len(line)} {unit}, more than {limits.max_line_length}"
        )
    if isinstance(line, str) and any("\ud800" <= character <= "\udfff" for character in line):
        raise RequestError(400, f"{label} has an unpaired surrogate")


def check_ids(ids: list[int], label: str, served: ServedModel) -> tuple[int, ...]:
    """Returns a line of token ids after checking that the vocabulary has them."""
    if ids and not 0 <= min(ids) <= max(ids) < served.vocab_size:
        raise RequestError(400, f"{label} has ids outside 0 to {served.vocab_size - 1}")
    return tuple(ids)


def check_rows(lines: int, rows: int, limits: Limits) -> None:
    """Checks the number of lines of a request, and of its samples."""
    if lines > limits.max_instances:
        raise RequestError(413, f"{lines} lines are more than {limits.max_instances} a request")
    if lines * rows > limits.max_instances:
        raise RequestError(
            413,
            f"{lines} lines with {rows} answers are more than {limits.max_instances} a request",
        )
