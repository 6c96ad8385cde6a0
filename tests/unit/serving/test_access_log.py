"""The log of requests."""

import asyncio
import json

from t2tlite.serving.access_log import log_requests


def request_of(app, capsys, path):
    scope = {"type": "http", "method": "GET", "path": path, "client": ("127.0.0.1", 5)}

    async def ignore(message):
        pass

    asyncio.run(log_requests(app)(scope, None, ignore))
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_for_each_request(capsys):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})
        for body in (b"abc", b"de"):
            await send({"type": "http.response.body", "body": body})

    (record,) = request_of(app, capsys, "/a\nb")
    assert record.pop("time").startswith("20")
    assert 0 <= record.pop("seconds") < 5
    assert record == {
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/a\nb",
        "status": 418,
        "bytes": 5,
    }
