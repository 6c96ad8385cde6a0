"""Starts and stops the server."""

from __future__ import annotations

import logging
import math
import signal
import socket
from collections.abc import Callable
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
    make_decoder: Callable[[], Any], name: str, address: tuple[str, int], limits: Limits
) -> None:
    """Serves a model until SIGTERM or Ctrl-C, then answers the pending requests and returns.

    Args:
      make_decoder: returns the `Decoder`; called in the thread that decodes.
      name: of the model in URLs; "": its problem's name.
      address: host and port; port 0: any free port.
      limits: of requests and batches.

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
        from t2tlite.serve.metrics import Metrics
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
        config = uvicorn.Config(
            make_app(batcher, served, limits, metrics),
            backlog=BACKLOG,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=math.ceil(limits.timeout_secs) + 1,
        )
        host, port = listener.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        log.info("serving %s, version %d, at http://%s:%d", served.name, served.version, host, port)
        # uvicorn raises the signal that stopped it again when it returns.
        handlers = {s: signal.signal(s, lambda *_: None) for s in (signal.SIGTERM, signal.SIGINT)}
        uvicorn.Server(config).run(sockets=[listener])
        for number, handler in handlers.items():
            signal.signal(number, handler)
        batcher.stop(limits.timeout_secs)
    log.info("stopped")


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
