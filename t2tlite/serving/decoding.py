"""Decodes for an endpoint, and stops when its client leaves or its time is over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import Future
from itertools import chain
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from t2tlite.decode.decode_hparams import Hypothesis
from t2tlite.errors import CheckpointError, Error
from t2tlite.serving.batching import Batcher
from t2tlite.serving.limits import Limits
from t2tlite.serving.requests import Parameters, RequestError
from t2tlite.serving.served_model import Kind, Line

# nginx would collect the events otherwise.
EVENT_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def decode(
    batcher: Batcher,
    request: Request,
    limits: Limits,
    kind: Kind,
    lines: Sequence[Any],
    rows: int = 1,
) -> list[Any]:
    """Returns the answer to each line; `rows` lines after each other are one of the request."""
    future = batcher.submit(kind, lines, rows)
    answers = asyncio.wrap_future(future)
    # The body has been read, so the next message says that the client disconnected.
    disconnected = asyncio.ensure_future(request.receive())
    try:
        await _first(answers, disconnected, limits)
        return _result(answers)
    finally:
        disconnected.cancel()
        if not answers.done():
            batcher.drop(future)


async def n_best(
    batcher: Batcher, request: Request, limits: Limits, lines: list[Line], parameters: Parameters
) -> list[list[Hypothesis]]:
    """Returns the answers to each line, best first or as they were drawn."""
    rows = parameters.rows
    repeated = parameters.repeated(lines)
    answers = await decode(batcher, request, limits, parameters.settings, repeated, rows)
    return [list(chain(*answers[i : i + rows])) for i in range(0, len(answers), rows)]


async def stream(
    batcher: Batcher, request: Request, limits: Limits, line: Line, parameters: Parameters
) -> AsyncGenerator[Hypothesis]:
    """Yields the answer so far whenever there are new tokens; the last one is whole.

    A client that reads slowly gets several tokens at once.
    """
    loop, latest = asyncio.get_running_loop(), list[Hypothesis]()
    arrived = asyncio.Event()

    def show(answer: Hypothesis) -> None:
        latest[:] = [answer]
        arrived.set()

    def emit(answer: Hypothesis) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(show, answer)

    (row,) = parameters.repeated([line])
    future: Future[list[Any]] = batcher.stream(parameters.settings, row, emit)
    answers = asyncio.wrap_future(future)
    disconnected = asyncio.ensure_future(request.receive())
    try:
        while not answers.done():
            news = asyncio.ensure_future(arrived.wait())
            try:
                await _first(answers, disconnected, limits, news)
            finally:
                news.cancel()
            if latest and not answers.done():
                arrived.clear()
                yield latest[0]
        yield _result(answers)[0]
    finally:
        disconnected.cancel()
        if not answers.done():
            batcher.drop(future)


class Events(Protocol):
    """Makes Server-Sent Events of an answer that is being written.

    Attributes:
      ended: whether the rest of the answer isn't wanted.
    """

    ended: bool

    def more(self, answer: Hypothesis) -> list[str]:
        """Returns the events of what is new in an answer."""
        ...

    def end(self, answer: Hypothesis) -> list[str]:
        """Returns the last events, after all of `more`."""
        ...

    def error(self, message: str) -> str:
        """Returns the event of an error after the first token."""
        ...


async def event_response(answers: AsyncGenerator[Hypothesis], events: Events) -> Response:
    """Returns a response of Server-Sent Events.

    Args:
      answers: from `stream`. An error before the first token is raised, so that it has a status.
      events: makes the events.
    """
    answer = await anext(answers)

    async def body() -> AsyncIterator[str]:
        nonlocal answer
        try:
            yield "".join(events.more(answer))
            async for answer in answers:
                if events.ended:
                    break
                yield "".join(events.more(answer))
            yield "".join(events.end(answer))
        except ClientDisconnect:
            pass
        except Exception as error:
            known = isinstance(error, RequestError)
            yield events.error(str(error) if known else "internal error; see the server's log")
        finally:
            await answers.aclose()

    return StreamingResponse(body(), headers=EVENT_HEADERS, media_type="text/event-stream")


def event(content: Any, name: str = "") -> str:
    """Returns a Server-Sent Event with JSON."""
    return f"{f'event: {name}' + chr(10) if name else ''}data: {json.dumps(content)}\n\n"


async def _first(
    answers: asyncio.Future[Any],
    disconnected: asyncio.Future[Any],
    limits: Limits,
    *others: asyncio.Future[Any],
) -> None:
    """Waits until one of the futures is done; raises if the client left or time is over."""
    done, _ = await asyncio.wait(
        (answers, disconnected, *others),
        timeout=limits.timeout_secs,
        return_when=asyncio.FIRST_COMPLETED,
    )
    if not done:
        raise RequestError(504, f"no answer within {limits.timeout_secs:g} s")
    if disconnected in done and answers not in done:
        raise ClientDisconnect


def _result(answers: asyncio.Future[list[Any]]) -> list[Any]:
    try:
        return answers.result()
    except Error as error:
        # Damaged weights aren't the client's fault.
        status = 500 if isinstance(error, CheckpointError) else 400
        raise RequestError(status, str(error)) from None
