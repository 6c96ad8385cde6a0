"""The description of the HTTP interface: OpenAPI 3.1, and a plain page made of it."""

from __future__ import annotations

import html
import json
from typing import Annotated, Any, get_args, get_origin

from t2tlite.assignments import Bounds, field_hints
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.serving import completions
from t2tlite.serving.limits import Limits
from t2tlite.serving.requests import SETTINGS
from t2tlite.serving.served_model import ServedModel
from t2tlite.version import __version__

TEXT = {"type": "string"}
TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}
JSON = "application/json"
EVENTS = "text/event-stream"


def description(served: ServedModel, limits: Limits) -> dict[str, Any]:
    """Returns the OpenAPI description of a server of this model, with its limits."""
    model = f"/v1/models/{served.name}"
    some_lines = {"type": "array", "maxItems": limits.max_instances, "minItems": 1}
    predict = {
        "instances": {**some_lines, "description": "Lines of text, or serialized tf.Examples."},
        "inputs": {"description": "Lines in the columnar format, instead of `instances`."},
        "signature_name": {**TEXT, "enum": ["serving_default", "serialized_examples", "text"]},
        "parameters": {"type": "object", "properties": _parameters(served, limits)},
        "stream": {"type": "boolean", "description": "Answer one line by Server-Sent Events."},
    }
    prediction = {"outputs": {}, "scores": {"description": "Log probabilities in nats."}}
    paths = {
        f"{model}:predict": _post(
            "Answer lines, in TensorFlow Serving's REST format",
            predict,
            {"predictions": {"type": "array", "items": _object(prediction)}, "outputs": {}},
            {"instances": ["some text"]},
            streams=True,
        ),
        completions.PATH: _post(
            "Complete prompts, in the form of OpenAI's completions",
            _completion(served, limits),
            {"id": TEXT, "choices": {"type": "array"}, "usage": {"type": "object"}},
            {"model": served.name, "prompt": "some text"},
            streams=True,
        ),
        "/v1/models": _get("The model, its version and the limits of requests"),
        model: _get("The state of the model"),
        f"{model}/metadata": _get("The signatures of the model"),
        f"{model}:reload": _post(
            "Load the newest checkpoint; needs --allow_reload, from this machine only",
            {},
            {"version": TEXT, "checkpoint": TEXT, "loaded": {"type": "boolean"}},
            {},
        ),
        "/healthz": _get("Whether lines can be decoded"),
        "/metrics": _get("Metrics for Prometheus", "text/plain"),
        "/openapi.json": _get("This description"),
    }
    if served.has_attention:
        paths[f"{model}:attention"] = _post(
            "The attention behind an answer",
            {"line": TEXT, "answer": TEXT},
            {"inputs": {"type": "array"}, "outputs": {"type": "array"}, "weights": {}},
            {"line": "some text"},
        )
    info = {"title": f"t2t-server: {served.name}", "version": __version__}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def page(content: dict[str, Any]) -> str:
    """Returns the description as HTML, without scripts."""
    parts = []
    for path, methods in sorted(content["paths"].items()):
        for method, operation in methods.items():
            name = html.escape(f"{method.upper()} {path}")
            parts.append(f"<h2><code>{name}</code></h2><p>{html.escape(operation['summary'])}.</p>")
            body = operation.get("requestBody", {}).get("content", {}).get(JSON)
            if body:
                parts.append(_table(body["schema"]["properties"]))
                example = json.dumps(body["example"])
                parts.append(f"<p>Example:</p><pre>{html.escape(example)}</pre>")
    title = html.escape(content["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/page.css"></head>'
        f"<body><main><h1>{title}</h1>"
        f'<p>The same for programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{''.join(parts)}</main></body></html>"
    )


def _table(properties: dict[str, Any]) -> str:
    rows = []
    for name, schema in properties.items():
        if nested := schema.get("properties"):
            rows += [_row(f"{name}.{inner}", nested[inner]) for inner in nested]
        else:
            rows.append(_row(name, schema))
    return f"<dl>{''.join(rows)}</dl>" if rows else ""


def _row(name: str, schema: dict[str, Any]) -> str:
    facts = {"type": "", "minimum": "from ", "maximum": "to ", "enum": "one of "}
    facts["default"] = "default "
    words = [f"{word}{schema[fact]}" for fact, word in facts.items() if fact in schema]
    words += [schema["description"]] if "description" in schema else []
    return f"<dt><code>{html.escape(name)}</code></dt><dd>{html.escape(', '.join(words))}</dd>"


def _parameters(served: ServedModel, limits: Limits) -> dict[str, Any]:
    """Returns the schemas of what "parameters" may hold."""
    most = {
        "beam_size": limits.max_beam_size,
        "extra_length": max(limits.max_extra_length, served.settings.extra_length),
    }
    schemas: dict[str, Any] = {
        "n": {"type": "integer", "minimum": 1, "maximum": limits.max_beam_size}
    }
    hints = field_hints(DecodeHParams)
    for name in SETTINGS:
        hint, bounds = hints[name], None
        if get_origin(hint) is Annotated:
            hint, bounds = get_args(hint)[:2]
        if not isinstance(bounds, Bounds):
            schemas[name] = {"type": "string", "enum": list(get_args(hint))}
        else:
            low = bounds.low if bounds.also is None else min(bounds.low, bounds.also)
            limit = {"minimum": low, "maximum": most.get(name, bounds.high)}
            schemas[name] = {"type": TYPES[hint], **limit}
        schemas[name]["default"] = getattr(served.settings, name)
    return schemas


def _completion(served: ServedModel, limits: Limits) -> dict[str, Any]:
    """Returns the schemas of the fields of a completion request."""
    integer, most = {"type": "integer"}, {"maximum": limits.max_beam_size}
    longest = max(limits.max_extra_length, served.settings.extra_length)
    schemas: dict[str, Any] = {
        "model": {**TEXT, "enum": [served.name]},
        "prompt": {"description": "A text, token ids, or a list of one of them."},
        "max_tokens": {**integer, "minimum": 1, "maximum": longest},
        "temperature": {"type": "number", "minimum": 0, "maximum": 1000},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "n": {**integer, "minimum": 1, **most, "default": 1},
        "best_of": {**integer, "minimum": 1, **most},
        "seed": {**integer, "minimum": 0},
        "stop": {"description": f"A text or at most {completions.MOST_STOPS} texts."},
        "echo": {"type": "boolean", "default": False},
        "stream": {"type": "boolean", "default": False},
        "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
        "user": {**TEXT, "description": "Ignored."},
        "decode_tag": {**TEXT, "description": "Of a model of several problems: which one."},
    }
    return {name: schemas[name] for name in completions.SUPPORTED}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _get(summary: str, media_type: str = JSON) -> dict[str, Any]:
    answers = {"200": {"description": "The answer", "content": {media_type: {}}}}
    return {"get": {"summary": summary, "responses": answers}}


def _post(
    summary: str,
    request: dict[str, Any],
    response: dict[str, Any],
    example: dict[str, Any],
    streams: bool = False,
) -> dict[str, Any]:
    content: dict[str, Any] = {JSON: {"schema": _object(response)}}
    if streams:
        content[EVENTS] = {"schema": TEXT}
    error = {JSON: {"schema": _object({"error": {}})}}
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {
            "200": {"description": "The answer", "content": content},
            "default": {"description": "What is wrong, in one line", "content": error},
        },
    }
    if request:
        body = {"schema": _object(request), "example": example}
        operation["requestBody"] = {"required": True, "content": {JSON: body}}
    return {"post": operation}
