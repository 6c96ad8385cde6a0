"""The web page: its files, its texts, and what it knows of the model."""

from __future__ import annotations

import dataclasses
import mimetypes
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from t2tlite.serving.limits import Limits
from t2tlite.serving.served_model import ServedModel

FOLDER = Path(__file__).with_name("page")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def routes(served: Callable[[], ServedModel], limits: Limits) -> list[Route]:
    """Returns the routes of the page's files and of what it knows of the model."""

    async def facts(_: Request) -> Response:
        return JSONResponse(_facts(served(), limits), headers=HEADERS)

    found = [Route("/page.json", facts)]
    for file in FOLDER.iterdir():
        url = "/" if file.name == "index.html" else f"/{file.name}"
        media_type = mimetypes.guess_type(file.name)[0]
        # Not a FileResponse, which answers a malformed Range with an error that isn't JSON.
        response = Response(file.read_bytes(), headers=HEADERS, media_type=media_type)
        found.append(Route(url, partial(_answer, response)))
    return found


async def _answer(response: Response, _: Request) -> Response:
    return response


def _facts(served: ServedModel, limits: Limits) -> dict[str, Any]:
    return {
        "name": served.name,
        "version": str(served.version),
        "attention": served.has_attention,
        "temperature": served.settings.sampling_temp if served.settings.samples else 0.0,
        "max_n": limits.max_beam_size,
        "max_line_length": limits.max_line_length,
        "max_instances": limits.max_instances,
        "max_extra_length": limits.max_extra_length,
        **dataclasses.asdict(served.page),
    }
