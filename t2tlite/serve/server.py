"""Starts and stops the server."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
from collections.abc import Callable, Collection
from typing import Any

from t2tlite.devices import cluster
from t2tlite.errors import DeviceError, ServingError
from t2tlite.serve.batching import Batcher
from t2tlite.serve.limits import Limits
from t2tlite.serve.served_model import BatchDecoder

log = logging.getLogger(__name__)

# Connections that may wait to be accepted.
BACKLOG = 2048


def serve(
    make_decoder: Callable[[], Any],
    name: str,
    address: tuple[str, int],
    limits: Limits,
    allowed_hosts: Collection[str] = (),
) -> None:
    """Serves a model until SIGTERM or Ctrl-C, then answers the pending requests and returns.

    What isn't answered within `limits.stop_secs` gets 503; the process exits with status 0 instead
    if it is decoding a batch then.

    Args:
      make_decoder: returns the `Decoder`; called in the thread that decodes.
      name: of the model in URLs; "": its problem's name.
      address: host and port; port 0: any free port.
      limits: of requests and batches.
      allowed_hosts: see `check_requests`; that of `address` is allowed.

    Raises:
      ServingError: the address can't be used, or the extra `serve` isn't installed.
      DeviceError: TF_CONFIG names several machines.
      Error: what `make_decoder` raises.
    """
    if cluster.current().workers > 1:
        raise DeviceError("a server runs on one machine; unset TF_CONFIG")
    try:
        import uvicorn

        from t2tlite.serve.app import make_app
        from t2tlite.serve.prometheus_metrics import Metrics
    except ModuleNotFoundError as error:
        raise ServingError(
            f"serving needs {error.name}, which isn't installed: pip install 't2tlite[serve]'"
        ) from None

    def load() -> BatchDecoder:
        decode = BatchDecoder(make_decoder(), name)
        decode.warm_up()
        return decode

    # Opened before the model is loaded, so that an address in use fails at once.
    with listen(address) as listener:
        metrics = Metrics(lambda: len(batcher))
        batcher = Batcher(load, limits, metrics.observe_batch)
        served = batcher.wait_ready().served
        app = make_app(batcher, served, limits, metrics, {address[0], *allowed_hosts})
        host, port = listener.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        log.info("serving %s, version %d, at http://%s:%d", served.name, served.version, host, port)
        # uvicorn raises the signal that stopped it again when it returns.
        handlers = {s: signal.signal(s, lambda *_: None) for s in (signal.SIGTERM, signal.SIGINT)}
        uvicorn.Server(server_config(app, limits)).run(sockets=[listener])
        for number, handler in handlers.items():
            signal.signal(number, handler)
        stopped = batcher.stop(1)
    log.info("stopped")
    if not stopped:
        # The interpreter's own exit would wait for TensorFlow's running operation.
        os._exit(0)


def server_config(app: Any, limits: Limits) -> Any:
    """Returns uvicorn's configuration for the ASGI application `app`."""
    import uvicorn

    from t2tlite.serve.http_checks import HttpProtocol

    return uvicorn.Config(
        app,
        http=HttpProtocol,
        ws="none",
        backlog=BACKLOG,
        lifespan="off",
        log_config=None,
        # Clients that send invalid HTTP or ask for WebSocket don't fill the log.
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(limits.stop_secs),
    )


def listen(address: tuple[str, int]) -> socket.socket:
    """Returns a listening socket."""
    host, port = address
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ServingError(
            f"can't listen on {host}:{port} ({error}); choose another --host or --port"
        ) from None
