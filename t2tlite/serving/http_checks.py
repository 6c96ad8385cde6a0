"""What is refused before a request reaches the application; every refusal is JSON.

Invalid HTTP, a body with two lengths, a host that isn't allowed, and requests that are unanswered
when the server's time to stop is over.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any

import h11
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

# A host and a port as in RFC 3986; an IPv6 address is in brackets.
HOST_AND_PORT = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/?#@\[\]]+))(?::\d*)?")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
CLOSE = {"Connection": "close"}


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Returns the documented JSON of an error."""
    return JSONResponse({"error": message}, status, headers)


def stopping_response() -> Response:
    """Returns the answer to what can't be decoded because the server is stopping."""
    return error_response(503, "the server is stopping", {"Retry-After": "10"} | CLOSE)


class HttpProtocol(H11Protocol):
    """uvicorn's HTTP parser, which answers what isn't valid HTTP with JSON instead of text."""

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        detail = f": {error!s:.200}" if isinstance(error, h11.RemoteProtocolError) else ""
        # A request may have been answered, with 413 for example, before it turns out to be invalid.
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = error_response(400, f"the request isn't valid HTTP{detail}", CLOSE)
            for event in (
                h11.Response(status_code=400, headers=response.raw_headers, reason=b"Bad Request"),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        self.transport.close()


def check_requests(app: Any, hosts: Collection[str] = ()) -> Any:
    """Wraps the ASGI application `app` with the checks of this module.

    Args:
      app: gets the requests that pass.
      hosts: names and addresses that a request's Host may have besides this machine's; "*": any.
    """
    allowed = {*LOCAL_HOSTS, *(host.strip("[]").lower() for host in hosts)}

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        answering = False

        async def send_and_note(message: Any) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            refusal = _refusal(scope, allowed)
            await (refusal or app)(scope, receive, send_and_note)
        except asyncio.CancelledError:
            # uvicorn cancels what is unanswered when the time to stop is over.
            if not answering:
                await stopping_response()(scope, receive, send)

    return checked


def _refusal(scope: Any, allowed: Collection[str]) -> Response | None:
    headers = Headers(scope=scope)
    if "content-length" in headers and "transfer-encoding" in headers:
        # RFC 9112, 6.3: a proxy may have read another body than this server (request smuggling).
        message = "the request has both Content-Length and Transfer-Encoding; send one of them"
        return error_response(400, message, CLOSE)
    # A page of another site whose name was made to resolve to this machine (DNS rebinding) sends
    # its own name. Only HTTP/1.0, which no browser speaks, has requests without a Host.
    host = headers.get("host")
    if host is None or "*" in allowed:
        return None
    match = HOST_AND_PORT.fullmatch(host)
    name = (match[1] or match[2]).lower() if match else ""
    if name in allowed or name == scope["server"][0]:
        return None
    message = f"the host {host!r:.80} isn't allowed; start the server with --allowed_hosts=HOST"
    return error_response(403, message, CLOSE)
