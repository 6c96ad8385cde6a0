"""OpenAI's legacy completions: `/v1/completions`, and models as its clients list them.

For a language model the prompt is the beginning of the text; for an encoder-decoder it is the
input. What a client may ask for and this server can't do is a RequestError, never ignored.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.files import BYTE_ORDER_MARK
from t2tlite.serving.decoding import event
from t2tlite.serving.limits import Limits
from t2tlite.serving.requests import (
    Parameters,
    RequestError,
    check_ids,
    check_line,
    check_rows,
    parse_flag,
    parse_integer,
    parse_object,
    parse_parameters,
)
from t2tlite.serving.served_model import Line, ServedModel

PATH = "/v1/completions"
SUPPORTED = (
    *("model", "prompt", "max_tokens", "temperature", "top_p", "n", "best_of", "seed"),
    *("stop", "echo", "stream", "stream_options", "user", "decode_tag"),
)
# Values of what isn't supported that change nothing.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "suffix": ("",),
    "logprobs": (),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
}
MOST_STOPS = 4
LEAST_TEMPERATURE = 1e-3


@dataclasses.dataclass(frozen=True)
class CompletionRequest:
    """A parsed request.

    Attributes:
      parameters: `n` is `best_of`, the number of answers to choose from.
      n: choices for each prompt.
      max_tokens: of a completion; None: as many as the settings allow.
      stops: texts before which a completion ends.
      echo: whether a completion is preceded by its prompt.
    """

    prompts: list[Line]
    parameters: Parameters
    n: int
    max_tokens: int | None
    stops: tuple[str, ...]
    echo: bool
    stream: bool
    include_usage: bool


def parse_completion(body: bytes, served: ServedModel, limits: Limits) -> CompletionRequest:
    """Parses the body of a request."""
    given = parse_object(body, '{"model": NAME, "prompt": TEXT}')
    content = {name: value for name, value in given.items() if value is not None}
    for name, value in content.items():
        if name in NEUTRAL and value not in NEUTRAL[name]:
            raise RequestError(400, f"{name} isn't supported; leave it out")
    if unknown := content.keys() - {*SUPPORTED, *NEUTRAL}:
        raise RequestError(400, f"unknown key {min(unknown)!r:.80}; expected {sorted(SUPPORTED)}")
    if content.get("model") != served.name:
        found = repr(content.get("model"))
        raise RequestError(404, f"no model {found:.80}; expected {served.name}")
    stream = parse_flag("stream", content.get("stream"))
    options = content.get("stream_options", {})
    if not isinstance(options, dict) or (options and not stream):
        raise RequestError(400, '"stream_options" is an object, for "stream": true only')
    most = limits.max_beam_size
    n = parse_integer("n", content.get("n", 1), 1, most)
    best_of = parse_integer("best_of", content.get("best_of", n), n, most)
    longest = max(limits.max_extra_length, served.settings.extra_length)
    max_tokens = content.get("max_tokens")
    if max_tokens is not None:
        parse_integer("max_tokens", max_tokens, 1, longest)
    echo = parse_flag("echo", content.get("echo"))
    if echo and not served.continues:
        raise RequestError(400, "echo isn't supported: the model doesn't continue its prompt")
    parameters = _parameters(content, best_of, served, limits, stream)
    prompts = _prompts(content.get("prompt"), served, limits)
    if stream and len(prompts) > 1:
        raise RequestError(400, "a streamed request needs one prompt")
    check_rows(len(prompts), parameters.rows, limits)
    stops = _stops(content.get("stop", []))
    usage = parse_flag("include_usage", options.get("include_usage"))
    return CompletionRequest(prompts, parameters, n, max_tokens, stops, echo, stream, usage)


def _parameters(
    content: dict[str, Any], best_of: int, served: ServedModel, limits: Limits, stream: bool
) -> Parameters:
    """Returns the decode settings; without temperature and top_p they are the server's."""
    wanted: dict[str, Any] = {"n": best_of} if best_of > 1 else {}
    temperature, top_p = content.get("temperature"), content.get("top_p")
    for name, value, most in (("temperature", temperature, 1000), ("top_p", top_p, 1)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 <= value <= most):
            expected = f"a number from 0 to {most}"
            raise RequestError(400, f'"{name}" is {value!r:.80}; expected {expected}')
    if temperature == 0:
        wanted["sampling_method"] = "argmax"
    elif temperature is not None or (top_p is not None and top_p < 1):
        if temperature is not None:
            wanted["sampling_temp"] = max(temperature, LEAST_TEMPERATURE)
        if top_p is not None:
            wanted["sampling_top_p"] = max(top_p, 1e-6)
        wanted["sampling_method"] = "random"
    if "decode_tag" in content:
        wanted["decode_tag"] = content["decode_tag"]
    if "seed" in content:
        wanted["random_seed"] = content["seed"]
    if "max_tokens" in content:
        wanted["extra_length"] = content["max_tokens"]
    return parse_parameters(wanted, served, limits, stream)


def _prompts(prompt: Any, served: ServedModel, limits: Limits) -> list[Line]:
    """Returns the prompts: a text, a list of them, or token ids in place of texts."""

    def is_ids(value: Any) -> bool:
        return isinstance(value, list) and bool(value) and all(type(id_) is int for id_ in value)

    prompts = [prompt] if isinstance(prompt, str) or is_ids(prompt) else prompt
    if not isinstance(prompts, list) or not prompts:
        raise RequestError(400, "prompt must be a text, token ids, or a list of one of them")
    check_rows(len(prompts), 1, limits)
    lines: list[Line] = []
    for number, one in enumerate(prompts, 1):
        label = f"prompt {number}"
        if isinstance(one, str):
            line: Line = one.removeprefix(BYTE_ORDER_MARK)
        elif is_ids(one):
            line = check_ids(one, label, served)
        else:
            raise RequestError(400, f"{label} is {one!r:.80}; expected a text or token ids")
        check_line(line, label, limits)
        lines.append(line)
    return lines


def _stops(stop: Any) -> tuple[str, ...]:
    stops = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(stops, list)
        or len(stops) > MOST_STOPS
        or not all(isinstance(text, str) and text for text in stops)
    ):
        raise RequestError(400, f"stop must be a text or a list of at most {MOST_STOPS} texts")
    return tuple(stops)


class _Choice(NamedTuple):
    """A completion: its text, its number of tokens, why it ended, and whether a stop did it."""

    text: str
    tokens: int
    reason: str
    at_stop: bool


class Completion:
    """Makes the answer to a request, whole or in events.

    Attributes:
      ended: whether the streamed completion has come to a stop.
    """

    def __init__(self, request: CompletionRequest, served: ServedModel):
        self._request, self._served = request, served
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": served.name,
            "system_fingerprint": served.checkpoint,
        }
        self._prompts = [
            one if isinstance(one, str) else served.decode(list(one)) for one in request.prompts
        ]
        self.ended = False
        self._sent = ""

    @functools.cached_property
    def _rows(self) -> list[list[int]]:
        """What the model read of each prompt; not every text can be encoded, so used afterwards."""
        tag, encode = self._request.parameters.settings.decode_tag, self._served.encode
        return [list(encode(one, tag)) if one.strip() else [] for one in self._prompts]

    def response(self, answers: Sequence[Sequence[Hypothesis]]) -> dict[str, Any]:
        """Returns the JSON of the answers to each prompt."""
        choices = [
            self._choice(i, answer) for i, row in enumerate(answers) for answer in self._best(row)
        ]
        shown = [self._shown(one.text, one.reason, i) for i, one in enumerate(choices)]
        usage = self._usage(sum(choice.tokens for choice in choices))
        return {**self._head, "choices": shown, "usage": usage}

    def _best(self, answers: Sequence[Hypothesis]) -> Sequence[Hypothesis]:
        if self._request.parameters.settings.samples:
            # As OpenAI: the highest log probability per token, EOS included.
            answers = sorted(answers, key=lambda one: -one.score / (len(one.ids) + 1))
        return answers[: self._request.n]

    def more(self, answer: Hypothesis) -> list[str]:
        """Returns the events of what is new in the answer to the only prompt."""
        choice = self._choice(0, answer)
        self.ended = choice.at_stop or len(answer.ids) > self._most_tokens(0)
        return self._new(choice.text if choice.at_stop else self._settled(choice.text))

    def end(self, answer: Hypothesis) -> list[str]:
        """Returns the last events, after all of `more`."""
        choice = self._choice(0, answer)
        events = self._new(choice.text)
        events.append(self._chunk([self._shown("", choice.reason, 0)]))
        if self._request.include_usage:
            events.append(self._chunk([], self._usage(choice.tokens)))
        return [*events, "data: [DONE]\n\n"]

    def error(self, message: str) -> str:
        """Returns the event of an error after the first token."""
        return event(error_body(500, message))

    def _most_tokens(self, i: int) -> float:
        """Returns how many tokens of the answer to prompt i are wanted, its prompt included."""
        most, given = self._request.max_tokens, len(self._rows[i]) * self._served.continues
        return math.inf if most is None else given + most

    def _choice(self, i: int, answer: Hypothesis) -> _Choice:
        """Returns the completion of an answer to prompt i."""
        row, most = self._rows[i], self._most_tokens(i)
        given = len(row) if self._served.continues else 0
        settings, text, ids = self._request.parameters.settings, answer.text, answer.ids
        is_whole = len(ids) < len(row) + settings.extra_length or self._served.classifies
        if len(ids) > most:
            ids = ids[: int(most)]
            text, is_whole = self._served.decode(ids), False
        if given:
            begin = self._served.decode(row)
            rest = self._served.decode(ids[given:]) if len(ids) > given else ""
            text = text[len(begin) :] if text.startswith(begin) else rest
        ends = [text.find(stop) for stop in self._request.stops if stop in text]
        text = text[: min(ends)] if ends else text
        if self._request.echo:
            text = self._prompts[i] + text
        reason = "stop" if ends or is_whole else "length"
        return _Choice(text, len(ids[given:]), reason, bool(ends))

    def _settled(self, text: str) -> str:
        """Returns a text without an end that further tokens may change."""
        # Bytes of a character that isn't complete.
        text = text.rstrip("�")
        held = [
            size
            for stop in self._request.stops
            for size in range(1, len(stop))
            if text.endswith(stop[:size])
        ]
        return text[: len(text) - max(held, default=0)]

    def _new(self, text: str) -> list[str]:
        """Returns an event of what `text` adds to what was sent."""
        if not text.startswith(self._sent) or text == self._sent:
            return []
        added, self._sent = text[len(self._sent) :], text
        return [self._chunk([self._shown(added, None, 0)])]

    def _chunk(self, choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> str:
        return event({**self._head, "choices": choices, **({"usage": usage} if usage else {})})

    def _shown(self, text: str, reason: str | None, index: int) -> dict[str, Any]:
        return {"text": text, "index": index, "logprobs": None, "finish_reason": reason}

    def _usage(self, tokens: int) -> dict[str, int]:
        prompt = sum(map(len, self._rows))
        counts = {"prompt_tokens": prompt, "completion_tokens": tokens}
        return {**counts, "total_tokens": prompt + tokens}


def model_object(served: ServedModel) -> dict[str, Any]:
    """Returns the model as OpenAI's clients read it."""
    return {"id": served.name, "object": "model", "created": 0, "owned_by": "t2tlite"}


def error_body(status: int, message: str) -> dict[str, Any]:
    """Returns the JSON of an error as OpenAI's clients read it."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    code = "model_not_found" if status == 404 else None
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
