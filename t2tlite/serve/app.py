"""The server's ASGI application: URLs, errors as JSON, and the web page."""

from __future__ import annotations

import asyncio
from itertools import chain
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.requests import ClientDisconnect

from t2tlite.errors import Error
from t2tlite.serve import protocol
from t2tlite.serve.batching import Batcher, QueueFullError, StoppingError, Ticket
from t2tlite.serve.limits import Limits
from t2tlite.serve.metrics import Metrics
from t2tlite.serve.protocol import RequestError
from t2tlite.serve.served_model import ATTENTION, Kind, ServedModel

PAGE = Path(__file__).with_name("page")
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

# nginx's status for a client that disconnected; nobody receives it, but the metrics count it.
CLIENT_GONE = 499


def make_app(batcher: Batcher, served: ServedModel, limits: Limits, metrics: Metrics) -> Any:
    """Returns the ASGI application that answers requests with the lines that `batcher` decodes."""
    # FastAPI's documentation pages load scripts from other sites.
    app = FastAPI(title="t2t-server", docs_url=None, redoc_url=None, openapi_url=None)
    _add_error_handlers(app)
    _add_models(app, batcher, served, limits)
    _add_monitoring(app, batcher, metrics)
    for path in PAGE.iterdir():
        _add_page_file(app, path)
    return metrics.instrument(app)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        # The rest of the body may be unread, so the connection can't be used again.
        headers = {"Connection": "close"} if error.status in (408, 413) else {}
        return _error(error.status, str(error), headers)

    @app.exception_handler(QueueFullError)
    async def queue_full(_: Request, error: QueueFullError) -> Response:
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return _error(503, "too many lines are waiting; try again later", headers)

    @app.exception_handler(StoppingError)
    async def stopping(_: Request, error: StoppingError) -> Response:
        return _error(503, "the server is stopping", {"Retry-After": "10", "Connection": "close"})

    @app.exception_handler(ClientDisconnect)
    async def disconnected(_: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def no_such_url(request: Request, error: HTTPException) -> Response:
        return _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}")

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return _error(500, "internal error; see the server's log")


async def _read_body(request: Request, limits: Limits) -> bytes:
    """Returns the body; stops reading at the limit.

    Raises:
      RequestError: the body is too long or takes too long to arrive.
    """
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


async def _wait(request: Request, batcher: Batcher, ticket: Ticket, seconds: float) -> list[Any]:
    """Returns the answers to a request's lines, which `ticket` stands for.

    Raises:
      RequestError: they took too long, or a line can't be decoded.
      ClientDisconnect: the client disconnected meanwhile.
    """
    answers = asyncio.wrap_future(ticket.future)
    # The body has been read, so the next message says that the client disconnected.
    disconnected = asyncio.ensure_future(request.receive())
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
        raise RequestError(400, str(error)) from None
    finally:
        disconnected.cancel()
        if not answers.done():
            batcher.drop(ticket)


def _add_models(app: FastAPI, batcher: Batcher, served: ServedModel, limits: Limits) -> None:
    """Adds TensorFlow Serving's URLs, and those that only the page uses."""

    def check(name: str, version: str = "") -> None:
        if name != served.name:
            raise RequestError(404, f"no model {name!r:.80}; expected {served.name}")
        if version not in ("", str(served.version)):
            raise RequestError(404, f"no version {version!r:.80}; expected {served.version}")

    async def decode(request: Request, kind: Kind, lines: list[Any]) -> list[Any]:
        return await _wait(request, batcher, batcher.submit(kind, lines), limits.timeout_secs)

    @app.get("/v1/models")
    async def models() -> Any:
        model = {
            "name": served.name,
            "version": str(served.version),
            "attention": served.has_attention,
            "max_n": limits.max_beam_size,
            "max_line_length": limits.max_line_length,
        }
        return {"models": [model]}

    @app.get("/v1/models/{name}")
    @app.get("/v1/models/{name}/versions/{version}")
    async def status(name: str, version: str = "") -> Any:
        check(name, version)
        return protocol.model_status(served)

    @app.get("/v1/models/{name}/metadata")
    @app.get("/v1/models/{name}/versions/{version}/metadata")
    async def metadata(name: str, version: str = "") -> Any:
        check(name, version)
        return protocol.model_metadata(served)

    @app.post("/v1/models/{name}:predict")
    @app.post("/v1/models/{name}/versions/{version}:predict")
    async def predict(request: Request, name: str, version: str = "") -> Response:
        check(name, version)
        parsed = protocol.parse_predict(await _read_body(request, limits), served, limits)
        # A sample is a row of its own; a beam search returns all hypotheses of a row.
        rows = (parsed.n or 1) if served.samples else 1
        lines = [line for line in parsed.lines for _ in range(rows)]
        answers = await decode(request, parsed.beam_size, lines)
        grouped = [list(chain(*answers[i : i + rows])) for i in range(0, len(answers), rows)]
        return JSONResponse(protocol.predict_response(parsed, grouped))

    if not served.has_attention:
        return

    @app.post("/v1/models/{name}:attention")
    async def attention(request: Request, name: str) -> Response:
        check(name)
        pair = protocol.parse_attention(await _read_body(request, limits), limits)
        (attention_map,) = await decode(request, ATTENTION, [pair])
        return JSONResponse(attention_map.as_dict())


def _add_monitoring(app: FastAPI, batcher: Batcher, metrics: Metrics) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        if batcher.alive:
            return JSONResponse({"status": "ok"})
        return _error(503, "the decoding thread isn't running")

    @app.get("/metrics")
    async def metrics_text() -> Response:
        return Response(metrics.text(), media_type=metrics.content_type)


def _add_page_file(app: FastAPI, path: Path) -> None:
    @app.get("/" if path.name == "index.html" else f"/{path.name}")
    async def page_file() -> Response:
        return FileResponse(path, headers=PAGE_HEADERS)
