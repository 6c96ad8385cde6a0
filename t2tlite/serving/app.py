"""The server's ASGI application: URLs, errors as JSON, and the web page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from t2tlite.errors import Error
from t2tlite.serving import completions, decoding, openapi, protocol, web_page
from t2tlite.serving.batching import Batcher, QueueFullError, StoppingError
from t2tlite.serving.http_checks import (
    CLOSE,
    check_requests,
    error_response,
    stopping_response,
)
from t2tlite.serving.limits import Limits
from t2tlite.serving.prometheus_metrics import Metrics
from t2tlite.serving.reloading import Reloader, is_loopback
from t2tlite.serving.requests import RequestError
from t2tlite.serving.served_model import ATTENTION, ServedModel

# nginx's status for a client that disconnected; nobody receives it, but the metrics count it.
CLIENT_GONE = 499


def make_app(
    batcher: Batcher,
    served: Callable[[], ServedModel],
    limits: Limits,
    metrics: Metrics,
    hosts: Collection[str] = (),
    reloader: Reloader | None = None,
) -> Any:
    """Returns the ASGI application that answers requests with the lines that `batcher` decodes.

    Args:
      served: returns the model as it is now.
      hosts: accepted as the Host of a request besides this machine's; see `check_requests`.
      reloader: loads a newer checkpoint on request; None: no request may.
    """
    endpoints = _Endpoints(batcher, served, limits, metrics, reloader)
    model = "/v1/models/{name}"
    routes = [Route("/v1/models", endpoints.models)]
    routes += [Route(completions.PATH, endpoints.completions, methods=["POST"])]
    routes += [Route("/openapi.json", endpoints.openapi), Route("/docs", endpoints.docs)]
    routes += [Route(f"{model}:reload", endpoints.reload, methods=["POST"])]
    routes += [Route("/healthz", endpoints.healthz), Route("/metrics", endpoints.metrics_text)]
    for path in (model, f"{model}/versions/{{version}}"):
        routes += [
            Route(f"{path}:predict", endpoints.predict, methods=["POST"]),
            Route(f"{path}/metadata", endpoints.metadata),
            Route(path, endpoints.status),
        ]
    if served().has_attention:
        routes.insert(0, Route(f"{model}:attention", endpoints.attention, methods=["POST"]))
    routes += web_page.routes(served, limits)
    errors = [RequestError, QueueFullError, StoppingError, ClientDisconnect, HTTPException]
    handlers: Any = dict.fromkeys([*errors, Exception], _answer_error)
    app = Starlette(routes=routes, exception_handlers=handlers)
    return metrics.instrument(check_requests(app, hosts))


async def _answer_error(request: Request, error: Exception) -> Response:
    response = _error_response(request, error)
    if request.url.path == completions.PATH and response.status_code != CLIENT_GONE:
        message = json.loads(bytes(response.body))["error"]
        headers = {
            name: value
            for name, value in response.headers.items()
            if name not in ("content-length", "content-type")
        }
        body = completions.error_body(response.status_code, message)
        return JSONResponse(body, response.status_code, headers)
    return response


def _error_response(request: Request, error: Exception) -> Response:
    match error:
        case RequestError():
            # The rest of the body may be unread, so the connection can't be used again.
            headers = CLOSE if error.status in (408, 413) else {}
            return error_response(error.status, str(error), headers)
        case QueueFullError():
            headers = {"Retry-After": str(error.retry_after_seconds)}
            return error_response(503, "too many lines are waiting; try again later", headers)
        case StoppingError():
            return stopping_response()
        case ClientDisconnect():
            return Response(status_code=CLIENT_GONE)
        case HTTPException():
            message = f"{request.method} {request.url.path:.200}: {error.detail}"
            return error_response(error.status_code, message, error.headers)
    return error_response(500, "internal error; see the server's log")


async def _read_body(request: Request, limits: Limits) -> bytes:
    """Returns the body; stops reading at the limits of length and time."""
    too_long = RequestError(413, f"the body is longer than {limits.max_body_bytes} bytes")
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limits.max_body_bytes:
        raise too_long
    body = bytearray()
    try:
        async with asyncio.timeout(limits.timeout_secs):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.max_body_bytes:
                    raise too_long
    except TimeoutError:
        raise RequestError(408, "the body took too long to arrive") from None
    return bytes(body)


@dataclass(frozen=True)
class _Endpoints:
    """The endpoints: TensorFlow Serving's, OpenAI's, those of the page, and monitoring."""

    batcher: Batcher
    served: Callable[[], ServedModel]
    limits: Limits
    metrics: Metrics
    reloader: Reloader | None

    async def models(self, _: Request) -> Response:
        served = self.served()
        model = {
            "name": served.name,
            "version": str(served.version),
            "attention": served.has_attention,
            "max_n": self.limits.max_beam_size,
            "max_line_length": self.limits.max_line_length,
            "samples": served.settings.samples,
        }
        listed = {"object": "list", "data": [completions.model_object(served)]}
        return JSONResponse({**listed, "models": [model]})

    async def status(self, request: Request) -> Response:
        served = self._checked_model(request)
        status = protocol.model_status(served)
        return JSONResponse({**completions.model_object(served), **status})

    async def metadata(self, request: Request) -> Response:
        return JSONResponse(protocol.model_metadata(self._checked_model(request)))

    async def predict(self, request: Request) -> Response:
        served = self._checked_model(request)
        body = await _read_body(request, self.limits)
        parsed = protocol.parse_predict(body, served, self.limits)
        work = self.batcher, request, self.limits
        if parsed.stream:
            answers = decoding.stream(*work, parsed.lines[0], parsed.parameters)
            events = protocol.PredictEvents(parsed, served)
            return await decoding.event_response(answers, events)
        found = await decoding.n_best(*work, parsed.lines, parsed.parameters)
        return JSONResponse(protocol.predict_response(parsed, found, served))

    async def completions(self, request: Request) -> Response:
        served = self.served()
        body = await _read_body(request, self.limits)
        parsed = completions.parse_completion(body, served, self.limits)
        completion = completions.Completion(parsed, served)
        work = self.batcher, request, self.limits
        if parsed.stream:
            answers = decoding.stream(*work, parsed.prompts[0], parsed.parameters)
            return await decoding.event_response(answers, completion)
        found = await decoding.n_best(*work, parsed.prompts, parsed.parameters)
        return JSONResponse(completion.response(found))

    async def attention(self, request: Request) -> Response:
        self._checked_model(request)
        pair = protocol.parse_attention(await _read_body(request, self.limits), self.limits)
        work = self.batcher, request, self.limits
        (attention_map,) = await decoding.decode(*work, ATTENTION, [pair])
        return JSONResponse(attention_map.as_dict())

    async def reload(self, request: Request) -> Response:
        self._checked_model(request)
        if self.reloader is None:
            raise RequestError(403, "start the server with --allow_reload to load checkpoints")
        if request.client is None or not is_loopback(request.client.host):
            raise RequestError(403, "only a client on the server's machine may load checkpoints")
        try:
            loaded = await asyncio.wrap_future(self.reloader.reload())
        except Error as error:
            raise RequestError(500, f"kept {self.served().checkpoint}: {error}") from None
        served = self.served()
        state = {"version": str(served.version), "checkpoint": served.checkpoint}
        return JSONResponse({**state, "loaded": loaded})

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(openapi.description(self.served(), self.limits))

    async def docs(self, _: Request) -> Response:
        page = openapi.page(openapi.description(self.served(), self.limits))
        return HTMLResponse(page, headers=web_page.HEADERS)

    async def healthz(self, _: Request) -> Response:
        if self.batcher.alive:
            return JSONResponse({"status": "ok"})
        return error_response(503, "the decoding thread isn't running")

    async def metrics_text(self, _: Request) -> Response:
        return Response(self.metrics.text(), media_type=self.metrics.content_type)

    def _checked_model(self, request: Request) -> ServedModel:
        """Returns the model after checking that the URL names it."""
        served = self.served()
        name, version = request.path_params["name"], request.path_params.get("version")
        if name != served.name:
            raise RequestError(404, f"no model {name!r:.80}; expected {served.name}")
        if version not in (None, str(served.version)):
            raise RequestError(404, f"no version {version!r:.80}; expected {served.version}")
        return served
