"""A log of requests: a line of JSON for each, on stdout."""

from __future__ import annotations

import datetime
import json
import sys
import time
from typing import Any


def log_requests(app: Any) -> Any:
    """Wraps the ASGI application `app` so that each request is logged when its answer ends.

    The path is logged without a query, and neither bodies nor headers are.
    """

    async def logged(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        status, size, started = 500, 0, time.monotonic()

        async def send_and_count(message: Any) -> None:
            nonlocal status, size
            status = message.get("status", status)
            size += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, send_and_count)
        finally:
            now = datetime.datetime.now(datetime.UTC)
            record = {
                "time": now.isoformat(timespec="milliseconds"),
                "client": (scope.get("client") or [""])[0],
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "bytes": size,
                "seconds": round(time.monotonic() - started, 4),
            }
            print(json.dumps(record), file=sys.stdout, flush=True)

    return logged
