"""The server's addresses, as an ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.requests import ClientDisconnect

from t2tlite.errors import Error
from t2tlite.serve import protocol
from t2tlite.serve.batching import Batcher, QueueFullError, StoppingError
from t2tlite.serve.limits import Limits
from t2tlite.serve.metrics import Metrics
from t2tlite.serve.protocol import RequestError
from t2tlite.serve.served import ATTENTION, Served, predict_kind

log = logging.getLogger(__name__)

PAGE = Path(__file__).with_name("page")
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

# nginx's status of a request whose client went away; nobody is there to read it.
CLIENT_GONE = 499


def make_app(batcher: Batcher, served: Served, limits: Limits, metrics: Metrics) -> Any:
    """Returns the application.

    Args:
      batcher: decodes.
      served: the model.
      limits: of requests.
      metrics: counts.
    """
    # Its pages of documentation would load scripts from elsewhere.
    app = FastAPI(title="t2t-server", docs_url=None, redoc_url=None, openapi_url=None)
    queue = _Queue(batcher, limits)

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        # What wasn't read of a body isn't going to be.
        headers = {"Connection": "close"} if error.status in (408, 413) else {}
        return _error(error.status, str(error), headers)

    @app.exception_handler(QueueFullError)
    async def full(_: Request, error: QueueFullError) -> Response:
        headers = {"Retry-After": str(error.retry_after_seconds)}
        return _error(503, "too many lines wait; try again later", headers)

    @app.exception_handler(StoppingError)
    async def stopping(_: Request, error: StoppingError) -> Response:
        return _error(503, "the server is stopping", {"Retry-After": "10", "Connection": "close"})

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)

    @app.exception_handler(404)
    @app.exception_handler(405)
    async def no_address(request: Request, error: HTTPException) -> Response:
        return _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}")

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return _error(500, "the server failed; its log says why")

    _add_models(app, queue, served, limits)
    _add_operation(app, batcher, metrics)
    _add_page(app)
    return metrics.around(app)


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


class _Queue:
    """The batcher's queue for one request: waits, and gives up when nobody waits any more."""

    def __init__(self, batcher: Batcher, limits: Limits):
        self._batcher = batcher
        self._limits = limits

    async def read(self, request: Request) -> bytes:
        """Returns the body, and reads no more of it than the limit.

        Raises:
          RequestError: it is too long, or too slow.
        """
        limit = self._limits.max_body_bytes
        message = f"the body is longer than {limit} bytes"
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise RequestError(413, message)
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.timeout_secs):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > limit:
                        raise RequestError(413, message)
        except TimeoutError:
            raise RequestError(408, "the body took too long to arrive") from None
        return bytes(body)

    async def answers(self, request: Request, kind: Hashable, lines: Sequence[Any]) -> list[Any]:
        """Returns the answer to each line.

        Raises:
          RequestError: they took too long, or can't be decoded.
          ClientDisconnect: the client went away.
          QueueFullError, StoppingError: as `Batcher.submit`.
        """
        ticket = self._batcher.submit(kind, lines)
        future = asyncio.wrap_future(ticket.future)
        # All of the body has been read, so what comes next is that the client hangs up.
        hung_up = asyncio.ensure_future(request.receive())
        try:
            done, _ = await asyncio.wait(
                (future, hung_up),
                timeout=self._limits.timeout_secs,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if future in done:
                return future.result()
            if hung_up in done:
                raise ClientDisconnect
            raise RequestError(504, f"no answer within {self._limits.timeout_secs:g} s")
        except Error as error:
            raise RequestError(400, str(error)) from None
        finally:
            hung_up.cancel()
            if not future.done():
                self._batcher.drop(ticket)


def _add_models(app: FastAPI, queue: _Queue, served: Served, limits: Limits) -> None:
    """Adds TensorFlow Serving's addresses, and those that the page needs besides."""

    def check(name: str, version: str = "") -> None:
        if name != served.name:
            raise RequestError(404, f"no model is named {name!r:.80}; there is {served.name}")
        if version not in ("", str(served.version)):
            raise RequestError(404, f"no version {version!r:.80}; there is {served.version}")

    @app.get("/v1/models")
    async def models() -> Any:
        return {
            "models": [
                {
                    "name": served.name,
                    "version": str(served.version),
                    "attention": served.has_attention,
                    "max_n": limits.max_beam_size,
                    "max_line_length": limits.max_line_length,
                }
            ]
        }

    @app.get("/v1/models/{name}")
    @app.get("/v1/models/{name}/versions/{version}")
    async def status(name: str, version: str = "") -> Any:
        check(name, version)
        return protocol.status(served)

    @app.get("/v1/models/{name}/metadata")
    @app.get("/v1/models/{name}/versions/{version}/metadata")
    async def metadata(name: str, version: str = "") -> Any:
        check(name, version)
        return protocol.metadata(served)

    @app.post("/v1/models/{name}:predict")
    @app.post("/v1/models/{name}/versions/{version}:predict")
    async def predict(request: Request, name: str, version: str = "") -> Response:
        check(name, version)
        asked = protocol.parse(await queue.read(request), served, limits)
        # Samples are drawn one a row; beams come together.
        rows = (asked.n or 1) if served.samples else 1
        lines = [line for line in asked.lines for _ in range(rows)]
        found = await queue.answers(request, predict_kind(asked.beam_size), lines)
        answers = [
            [one for row in found[i : i + rows] for one in row] for i in range(0, len(found), rows)
        ]
        return JSONResponse(protocol.reply(asked, answers))

    if not served.has_attention:
        return

    @app.post("/v1/models/{name}:attention")
    async def attention(request: Request, name: str) -> Response:
        check(name)
        pair = protocol.parse_attention(await queue.read(request), limits)
        (found,) = await queue.answers(request, ATTENTION, [pair])
        return JSONResponse(found.as_dict())


def _add_operation(app: FastAPI, batcher: Batcher, metrics: Metrics) -> None:
    """Adds what watches the server."""

    @app.get("/healthz")
    async def healthz() -> Response:
        if batcher.alive:
            return JSONResponse({"status": "ok"})
        return _error(503, "nothing is being decoded")

    @app.get("/metrics")
    async def figures() -> Response:
        return Response(metrics.text(), media_type=metrics.content_type)


def _add_page(app: FastAPI) -> None:
    """Adds the page and its files."""

    def serve(address: str, path: Path) -> None:
        @app.get(address)
        async def file() -> Response:
            return FileResponse(path, headers=PAGE_HEADERS)

    for path in PAGE.iterdir():
        serve("/" if path.name == "index.html" else f"/{path.name}", path)
