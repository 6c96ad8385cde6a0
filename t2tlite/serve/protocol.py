"""TensorFlow Serving's REST form of requests and answers, with what T2T's serving client sends."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.serve.limits import Limits
from t2tlite.serve.served import Line, Served
from t2tlite.text import EOS_ID, PAD_ID

SIGNATURES = ("serving_default", "serialized_examples")
KEYS = {"instances", "inputs", "signature_name", "parameters"}
PARAMETERS = {"beam_size", "n"}


class RequestError(Exception):
    """A request that can't be answered.

    Attributes:
      status: of the HTTP answer.
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """What a client asks.

    Attributes:
      lines: to decode.
      beam_size: to decode them with.
      n: answers to each line, as lists; None: the best one, not as a list.
      by_columns: whether it came as TensorFlow Serving's columns ("inputs") and not as rows
        ("instances"), and is answered so.
    """

    lines: list[Line]
    beam_size: int
    n: int | None
    by_columns: bool


def parse(body: bytes, served: Served, limits: Limits) -> Request:
    """Reads a request's body.

    Raises:
      RequestError: it is none, or exceeds a limit.
    """
    content = _object(body, '{"instances": [...]}')
    if unknown := content.keys() - KEYS:
        raise RequestError(400, f"unknown key {min(unknown)!r:.80}; known are {sorted(KEYS)}")
    if ("instances" in content) == ("inputs" in content):
        raise RequestError(400, 'expected either "instances" or "inputs", a list of lines')
    signature = content.get("signature_name", SIGNATURES[0])
    if signature not in SIGNATURES:
        raise RequestError(400, f"no signature_name {signature!r:.80}; there are {SIGNATURES}")
    by_columns = "inputs" in content
    rows = content["inputs" if by_columns else "instances"]
    if by_columns and isinstance(rows, dict):
        rows = _only_value(rows, served, '"inputs"')
    if by_columns and isinstance(rows, str):
        rows = [rows]
    if not isinstance(rows, list) or not rows:
        raise RequestError(400, "expected a list of at least one line")
    if len(rows) > limits.max_instances:
        raise RequestError(413, f"{len(rows)} lines are more than {limits.max_instances} a request")
    only_examples = signature == "serialized_examples"
    lines = [_line(row, i, served, limits, only_examples) for i, row in enumerate(rows)]
    beam_size, n = _parameters(content.get("parameters", {}), served, limits)
    if served.samples and len(lines) * (n or 1) > limits.max_instances:
        raise RequestError(
            413,
            f"{len(lines)} lines with {n} answers are more than {limits.max_instances} a request",
        )
    return Request(lines, beam_size, n, by_columns)


def parse_attention(body: bytes, limits: Limits) -> tuple[str, str | None]:
    """Reads the body of a request of an attention map: the line, and the answer if it is given.

    Raises:
      RequestError: it is none, or exceeds a limit.
    """
    expected = '{"line": TEXT, "answer": TEXT}'
    content = _object(body, expected)
    line, answer = content.get("line"), content.get("answer")
    if (
        content.keys() - {"line", "answer"}
        or not isinstance(line, str)
        or not isinstance(answer, str | None)
    ):
        raise RequestError(400, f"the body is not {expected}; the answer may be left out")
    if not line.strip():
        raise RequestError(400, "the line is blank, so there is nothing to look at")
    for name, text in (("the line", line), ("the answer", answer or "")):
        _check_text(text, name, limits)
    return line, answer


def reply(request: Request, answers: Sequence[Sequence[Hypothesis]]) -> dict[str, Any]:
    """Returns the answer's JSON object.

    A line that came as ids is answered with ids, as T2T's client expects it, and with their text
    besides.
    """
    rows = [
        _prediction(line, found, request.n)
        for line, found in zip(request.lines, answers, strict=True)
    ]
    if not request.by_columns:
        return {"predictions": rows}
    return {"outputs": {name: [row.get(name) for row in rows] for name in rows[0]}}


def _object(body: bytes, expected: str) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise RequestError(400, f"the body is no JSON object; expected {expected}")
    return content


def _prediction(line: Line, found: Sequence[Hypothesis], n: int | None) -> dict[str, Any]:
    kept = found[: n or 1]
    columns: dict[str, list[Any]] = {
        "outputs": [one.text if isinstance(line, str) else one.ids for one in kept],
        "scores": [one.score if math.isfinite(one.score) else None for one in kept],
    }
    if not isinstance(line, str):
        columns["text"] = [one.text for one in kept]
    return {name: values[0] if n is None else values for name, values in columns.items()}


def _parameters(given: Any, served: Served, limits: Limits) -> tuple[int, int | None]:
    """Returns the beam size and the number of answers."""
    if not isinstance(given, dict) or (given.keys() - PARAMETERS):
        raise RequestError(400, f'"parameters" is no object of {sorted(PARAMETERS)}')
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise RequestError(400, f'"{name}" is {value!r:.80}; expected a whole number')
        if not 1 <= value <= limits.max_beam_size:
            raise RequestError(400, f'"{name}" is outside 1 to {limits.max_beam_size}')
    n: int | None = given.get("n")
    beam_size: int = given.get("beam_size", max(served.beam_size, 1 if served.samples else n or 1))
    if n is not None and n > beam_size and not served.samples:
        raise RequestError(400, f'"n" is {n}, more than "beam_size", {beam_size}')
    return beam_size, n


def _line(row: Any, index: int, served: Served, limits: Limits, only_examples: bool) -> Line:
    where = f"line {index}"
    if isinstance(row, dict) and "b64" not in row:
        row = _only_value(row, served, where)
    if isinstance(row, dict):
        line = _from_example(row, where, served)
    elif isinstance(row, str) and not only_examples:
        line = row
    else:
        wanted = '{"b64": TF.EXAMPLE}' if only_examples else "a string"
        raise RequestError(400, f"{where} is {row!r:.80}; expected {wanted}")
    if isinstance(line, str):
        _check_text(line, where, limits)
    elif len(line) > limits.max_line_length:
        raise RequestError(
            413, f"{where} has {len(line)} tokens, more than {limits.max_line_length}"
        )
    return line


def _check_text(text: str, where: str, limits: Limits) -> None:
    if len(text) > limits.max_line_length:
        raise RequestError(
            413, f"{where} has {len(text)} characters, more than {limits.max_line_length}"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RequestError(400, f"{where} holds half of a surrogate pair") from None


def _only_value(row: dict[str, Any], served: Served, where: str) -> Any:
    # T2T's exports call it "input", ours as the feature.
    names = ("input", "inputs", served.feature)
    if len(row) != 1 or next(iter(row)) not in names:
        raise RequestError(
            400, f'{where} has the keys {sorted(row)!s:.80}; expected "input" or "{served.feature}"'
        )
    return next(iter(row.values()))


def _from_example(row: dict[str, Any], where: str, served: Served) -> Line:
    """Returns the line of a serialized tf.Example: text, or ids without EOS."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        if row.keys() != {"b64"}:
            raise ValueError(f"keys {sorted(row)!s:.80}")
        example = tf.train.Example.FromString(base64.b64decode(row["b64"], validate=True))
    except (binascii.Error, DecodeError, TypeError, ValueError):
        raise RequestError(
            400, f'{where} is no {{"b64": ...}} of a serialized tf.Example'
        ) from None
    feature = example.features.feature.get(served.feature)
    kind = feature.WhichOneof("kind") if feature else None
    if kind == "bytes_list" and len(feature.bytes_list.value) == 1:
        try:
            return str(feature.bytes_list.value[0], "utf-8")
        except UnicodeDecodeError:
            raise RequestError(400, f"{where} is not UTF-8") from None
    if kind != "int64_list":
        raise RequestError(
            400, f'{where}: the tf.Example needs a feature "{served.feature}": ids, or one text'
        )
    ids = list(feature.int64_list.value)
    while ids and ids[-1] in (PAD_ID, EOS_ID):
        ids.pop()
    if ids and not 0 <= min(ids) <= max(ids) < served.vocab_size:
        raise RequestError(400, f"{where} has ids outside 0 to {served.vocab_size - 1}")
    return tuple(ids)


def status(served: Served) -> dict[str, Any]:
    """The answer to GET /v1/models/NAME."""
    state = {"error_code": "OK", "error_message": ""}
    version = {"version": str(served.version), "state": "AVAILABLE", "status": state}
    return {"model_version_status": [version]}


def metadata(served: Served) -> dict[str, Any]:
    """The answer to GET /v1/models/NAME/metadata."""

    def tensor(kind: str, name: str, *sizes: int) -> dict[str, Any]:
        dims = [{"size": str(size), "name": ""} for size in sizes]
        return {
            "dtype": kind,
            "tensor_shape": {"dim": dims, "unknown_rank": False},
            "name": name,
        }

    def signature(input_name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "inputs": {input_name: tensor("DT_STRING", input_name, -1)},
            "outputs": {**outputs, "scores": tensor("DT_FLOAT", "scores", -1)},
            "method_name": "tensorflow/serving/predict",
        }

    signatures = {
        "serving_default": signature("inputs", {"outputs": tensor("DT_STRING", "outputs", -1)}),
        "serialized_examples": signature(
            "input", {"outputs": tensor("DT_INT32", "outputs", -1, -1)}
        ),
    }
    return {
        "model_spec": {
            "name": served.name,
            "signature_name": "",
            "version": str(served.version),
        },
        "metadata": {"signature_def": {"signature_def": signatures}},
    }
