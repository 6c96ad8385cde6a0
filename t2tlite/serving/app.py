"""The server's ASGI application: URLs, errors as JSON, and the web page."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from t2tlite.errors import CheckpointError, Error
from t2tlite.serving import protocol
from t2tlite.serving.batching import Batcher, QueueFullError, StoppingError
from t2tlite.serving.http_checks import (
    CLOSE,
    check_requests,
    error_response,
    stopping_response,
)
from t2tlite.serving.limits import Limits
from t2tlite.serving.prometheus_metrics import Metrics
from t2tlite.serving.protocol import RequestError
from t2tlite.serving.served_model import ATTENTION, Kind, ServedModel

PAGE = Path(__file__).with_name("page")
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

# nginx's status for a client that disconnected; nobody receives it, but the metrics count it.
CLIENT_GONE = 499


def make_app(
    batcher: Batcher,
    served: ServedModel,
    limits: Limits,
    metrics: Metrics,
    hosts: Collection[str] = (),
) -> Any:
    """Returns the ASGI application that answers requests with the lines that `batcher` decodes.

    `hosts` are accepted as the Host of a request besides this machine's; see `check_requests`.
    """
    endpoints = _Endpoints(batcher, served, limits, metrics)
    model = "/v1/models/{name}"
    routes = [Route("/v1/models", endpoints.models)]
    routes += [Route("/healthz", endpoints.healthz), Route("/metrics", endpoints.metrics_text)]
    for path in (model, f"{model}/versions/{{version}}"):
        routes += [
            Route(f"{path}:predict", endpoints.predict, methods=["POST"]),
            Route(f"{path}/metadata", endpoints.metadata),
            Route(path, endpoints.status),
        ]
    if served.has_attention:
        routes.insert(0, Route(f"{model}:attention", endpoints.attention, methods=["POST"]))
    for file in PAGE.iterdir():
        url = "/" if file.name == "index.html" else f"/{file.name}"
        media_type = mimetypes.guess_type(file.name)[0]
        # Not a FileResponse, which answers a malformed Range with an error that isn't JSON.
        page = Response(file.read_bytes(), headers=PAGE_HEADERS, media_type=media_type)
        routes.append(Route(url, partial(_page_file, page)))
    errors = [RequestError, QueueFullError, StoppingError, ClientDisconnect, HTTPException]
    handlers: Any = dict.fromkeys([*errors, Exception], _answer_error)
    app = Starlette(routes=routes, exception_handlers=handlers)
    return metrics.instrument(check_requests(app, hosts))


async def _page_file(page: Response, _: Request) -> Response:
    return page


async def _answer_error(request: Request, error: Exception) -> Response:
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
    """The endpoints: TensorFlow Serving's, those that only the page uses, and monitoring."""

    batcher: Batcher
    served: ServedModel
    limits: Limits
    metrics: Metrics

    async def models(self, _: Request) -> Response:
        model = {
            "name": self.served.name,
            "version": str(self.served.version),
            "attention": self.served.has_attention,
            "max_n": self.limits.max_beam_size,
            "max_line_length": self.limits.max_line_length,
        }
        return JSONResponse({"models": [model]})

    async def status(self, request: Request) -> Response:
        self._check_url(request)
        return JSONResponse(protocol.model_status(self.served))

    async def metadata(self, request: Request) -> Response:
        self._check_url(request)
        return JSONResponse(protocol.model_metadata(self.served))

    async def predict(self, request: Request) -> Response:
        self._check_url(request)
        body = await _read_body(request, self.limits)
        parsed = protocol.parse_predict(body, self.served, self.limits)
        # A sample is a row of its own; a beam search returns all hypotheses of a row.
        rows = (parsed.n or 1) if self.served.samples else 1
        answers = await self._decode(request, parsed.beam_size, parsed.lines, rows)
        grouped = [list(chain(*answers[i : i + rows])) for i in range(0, len(answers), rows)]
        return JSONResponse(protocol.predict_response(parsed, grouped, self.served))

    async def attention(self, request: Request) -> Response:
        self._check_url(request)
        pair = protocol.parse_attention(await _read_body(request, self.limits), self.limits)
        (attention_map,) = await self._decode(request, ATTENTION, [pair])
        return JSONResponse(attention_map.as_dict())

    async def healthz(self, _: Request) -> Response:
        if self.batcher.alive:
            return JSONResponse({"status": "ok"})
        return error_response(503, "the decoding thread isn't running")

    async def metrics_text(self, _: Request) -> Response:
        return Response(self.metrics.text(), media_type=self.metrics.content_type)

    def _check_url(self, request: Request) -> None:
        served = self.served
        name, version = request.path_params["name"], request.path_params.get("version")
        if name != served.name:
            raise RequestError(404, f"no model {name!r:.80}; expected {served.name}")
        if version not in (None, str(served.version)):
            raise RequestError(404, f"no version {version!r:.80}; expected {served.version}")

    async def _decode(
        self, request: Request, kind: Kind, lines: Sequence[Any], repeat: int = 1
    ) -> list[Any]:
        future = self.batcher.submit(kind, lines, repeat)
        answers = asyncio.wrap_future(future)
        # The body has been read, so the next message says that the client disconnected.
        disconnected = asyncio.ensure_future(request.receive())
        seconds = self.limits.timeout_secs
        try:
            done, _ = await asyncio.wait(
                (answers, disconnected), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if answers in done:
                return answers.result()
            if disconnected in done:
                raise ClientDisconnect
            raise RequestError(504, f"no answer within {seconds:g} s")
        except Error as error:
            # Damaged weights aren't the client's fault.
            status = 500 if isinstance(error, CheckpointError) else 400
            raise RequestError(status, str(error)) from None
        finally:
            disconnected.cancel()
            if not answers.done():
                self.batcher.drop(future)
