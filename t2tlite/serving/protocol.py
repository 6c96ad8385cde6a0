"""TensorFlow Serving's REST format, including the tf.Examples that T2T's client sends.

Whatever is wrong with a request, or exceeds a limit, is a RequestError.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.data.wire import parse_example
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
    parse_object,
    parse_parameters,
)
from t2tlite.serving.served_model import Line, ServedModel
from t2tlite.t2t_names.signatures import EXAMPLES, EXAMPLES_ALIAS, TEXT

SIGNATURES = (EXAMPLES, EXAMPLES_ALIAS, TEXT)
KEYS = {"instances", "inputs", "signature_name", "parameters", "stream"}


@dataclass(frozen=True)
class PredictRequest:
    """A parsed request of `:predict`.

    Attributes:
      parameters: its `n` is the length of each line's n-best list; None: the best hypothesis alone,
        not in a list.
      stream: whether the answer is sent while it is written.
      columnar: whether the request, and so the answer, has TensorFlow Serving's columnar format
        ("inputs") rather than its row format ("instances").
    """

    lines: list[Line]
    parameters: Parameters
    stream: bool
    columnar: bool


def parse_predict(body: bytes, served: ServedModel, limits: Limits) -> PredictRequest:
    """Parses the body of a `:predict` request."""
    content = parse_object(body, '{"instances": [...]}')
    if unknown := content.keys() - KEYS:
        raise RequestError(400, f"unknown key {min(unknown)!r:.80}; expected {sorted(KEYS)}")
    if ("instances" in content) == ("inputs" in content):
        raise RequestError(400, 'expected either "instances" or "inputs", a list of lines')
    signature = content.get("signature_name", SIGNATURES[0])
    if signature not in SIGNATURES:
        raise RequestError(400, f"unknown signature_name {signature!r:.80}; expected {SIGNATURES}")
    columnar = "inputs" in content
    rows = content["inputs" if columnar else "instances"]
    if columnar and isinstance(rows, dict):
        rows = _only_value(rows, served, '"inputs"')
    if columnar and isinstance(rows, str):
        rows = [rows]
    if not isinstance(rows, list) or not rows:
        raise RequestError(400, "expected a list of at least one line")
    stream = parse_flag("stream", content.get("stream"))
    if stream and (columnar or len(rows) != 1):
        raise RequestError(400, 'a streamed request needs "instances" with one line')
    parameters = parse_parameters(content.get("parameters", {}), served, limits, stream)
    check_rows(len(rows), parameters.rows, limits)
    lines = [_parse_line(row, i, served, limits, signature) for i, row in enumerate(rows, 1)]
    return PredictRequest(lines, parameters, stream, columnar)


def parse_attention(body: bytes, limits: Limits) -> tuple[str, str | None]:
    """Parses the body of an `:attention` request: the line, and the answer if it is given."""
    expected = '{"line": TEXT, "answer": TEXT}'
    content = parse_object(body, expected)
    line, answer = content.get("line"), content.get("answer")
    if (
        content.keys() - {"line", "answer"}
        or not isinstance(line, str)
        or not isinstance(answer, str | None)
    ):
        raise RequestError(400, f"the body isn't {expected}, where the answer is optional")
    line = line.removeprefix(BYTE_ORDER_MARK)
    if not line.strip():
        raise RequestError(400, "the line is blank, so it has no attention map")
    for name, text in (("the line", line), ("the answer", answer or "")):
        check_line(text, name, limits)
    return line, answer


def predict_response(
    request: PredictRequest, answers: Sequence[Sequence[Hypothesis]], served: ServedModel
) -> dict[str, Any]:
    """Returns the JSON object that answers a `:predict` request.

    A line that came as ids is answered with ids as in T2T, and also with text: the ids of all
    answers end with EOS and are padded to one length. `answers` are the hypotheses of each line,
    best first.
    """
    n = request.parameters.n
    best = [hypotheses[: n or 1] for hypotheses in answers]
    rows = [
        _prediction(line, hypotheses, ids, n)
        for line, hypotheses, ids in zip(
            request.lines, best, _padded_ids(best, served.classifies), strict=True
        )
    ]
    if not request.columnar:
        return {"predictions": rows}
    return {"outputs": {name: [row.get(name) for row in rows] for name in rows[0]}}


class PredictEvents:
    """The events of a streamed request: the prediction so far; the whole one is named "end"."""

    ended = False

    def __init__(self, request: PredictRequest, served: ServedModel):
        self._request, self._served = request, served

    def more(self, answer: Hypothesis) -> list[str]:
        """Returns the event of an answer so far."""
        return [event(self._prediction(answer))]

    def end(self, answer: Hypothesis) -> list[str]:
        """Returns the last event."""
        return [event(self._prediction(answer), "end")]

    def error(self, message: str) -> str:
        """Returns the event of an error after the first token."""
        return event({"error": message}, "error")

    def _prediction(self, answer: Hypothesis) -> Any:
        return predict_response(self._request, [[answer]], self._served)["predictions"][0]


def model_status(served: ServedModel) -> dict[str, Any]:
    """TensorFlow Serving's answer to GET /v1/models/NAME."""
    status = {"error_code": "OK", "error_message": ""}
    version = {"version": str(served.version), "state": "AVAILABLE", "status": status}
    return {"model_version_status": [version]}


def model_metadata(served: ServedModel) -> dict[str, Any]:
    """The answer to GET /v1/models/NAME/metadata."""

    def tensor(dtype: str, name: str, rank: int) -> dict[str, Any]:
        shape = {"dim": [{"size": "-1", "name": ""}] * rank, "unknown_rank": False}
        return {"dtype": dtype, "tensor_shape": shape, "name": name}

    def signature(input_name: str, outputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "inputs": {input_name: tensor("DT_STRING", input_name, 1)},
            "outputs": {"outputs": outputs, "scores": tensor("DT_FLOAT", "scores", 1)},
            "method_name": "tensorflow/serving/predict",
        }

    examples = signature("input", tensor("DT_INT32", "outputs", 2))
    text = signature("inputs", tensor("DT_STRING", "outputs", 1))
    signatures = {EXAMPLES: examples, EXAMPLES_ALIAS: examples, TEXT: text}
    spec = {"name": served.name, "signature_name": "", "version": str(served.version)}
    return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": signatures}}}


def _padded_ids(answers: Sequence[Sequence[Hypothesis]], classifies: bool) -> list[list[list[int]]]:
    """Returns the ids of all answers, with EOS, padded to one length; a label stands alone."""
    ids = [[one.ids if classifies else [*one.ids, EOS_ID] for one in row] for row in answers]
    length = max(len(one) for row in ids for one in row)
    return [[one + [PAD_ID] * (length - len(one)) for one in row] for row in ids]


def _prediction(
    line: Line, best: Sequence[Hypothesis], ids: list[list[int]], n: int | None
) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {
        "outputs": [one.text for one in best] if isinstance(line, str) else ids,
        # JSON has no infinity.
        "scores": [one.score if math.isfinite(one.score) else None for one in best],
    }
    if not isinstance(line, str):
        columns["text"] = [one.text for one in best]
    return {name: values[0] if n is None else values for name, values in columns.items()}


def _parse_line(row: Any, number: int, served: ServedModel, limits: Limits, signature: str) -> Line:
    """Returns the line of a row. The default signature takes text, too, so none need be named."""
    label = f"line {number}"
    if isinstance(row, dict) and "b64" not in row:
        row = _only_value(row, served, label)
    if isinstance(row, dict) and signature != TEXT:
        line = _parse_example(row, label, served)
    elif isinstance(row, str) and signature != EXAMPLES_ALIAS:
        line = row.removeprefix(BYTE_ORDER_MARK)
    else:
        expected = '{"b64": TF.EXAMPLE}' if signature == EXAMPLES_ALIAS else "a string"
        raise RequestError(400, f"{label} is {row!r:.80}; expected {expected}")
    check_line(line, label, limits)
    return line


def _only_value(row: dict[str, Any], served: ServedModel, label: str) -> Any:
    # T2T's exports name it "input", t2tlite's exports "inputs".
    names = ("input", "inputs", served.feature)
    if len(row) != 1 or next(iter(row)) not in names:
        raise RequestError(
            400, f'{label} has the keys {sorted(row)!s:.80}; expected "input" or "{served.feature}"'
        )
    return next(iter(row.values()))


def _parse_example(row: dict[str, Any], label: str, served: ServedModel) -> Line:
    """Returns the line of a serialized tf.Example: text, or token ids without EOS and padding."""
    try:
        if row.keys() != {"b64"}:
            raise ValueError
        example = parse_example(base64.b64decode(row["b64"], validate=True))
    except (binascii.Error, TypeError, ValueError):
        raise RequestError(
            400, f'{label} isn\'t {{"b64": ...}} of a serialized tf.Example'
        ) from None
    ids = example.get(served.feature)
    if ids and isinstance(ids[0], bytes) and len(ids) == 1:
        try:
            return str(ids[0], "utf-8-sig")
        except UnicodeDecodeError:
            raise RequestError(400, f"{label} isn't UTF-8") from None
    if ids is None or not all(isinstance(value, int) for value in ids):
        raise RequestError(
            400, f'{label}: the tf.Example needs a feature "{served.feature}": ids, or one text'
        )
    while ids and ids[-1] in (PAD_ID, EOS_ID):
        ids.pop()
    return check_ids(ids, label, served)
