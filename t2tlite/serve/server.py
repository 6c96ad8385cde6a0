"""Begins and ends a server."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

from t2tlite.devices import cluster
from t2tlite.errors import DeviceError, ServingError
from t2tlite.serve.batching import Batcher
from t2tlite.serve.limits import Limits
from t2tlite.serve.served import Served, loader

log = logging.getLogger(__name__)

# Connections that wait to be accepted: so many clients may come at once.
BACKLOG = 2048


def serve(
    make_decoder: Callable[[], Any], name: str, address: tuple[str, int], limits: Limits
) -> None:
    """Serves a model until SIGTERM or Ctrl-C, then answers what has come and returns.

    Args:
      make_decoder: makes the `Decoder`; called in the thread that will use it.
      name: of the model in addresses; "": its problem's.
      address: host and port; port 0: any that is free.
      limits: of requests and batches.

    Raises:
      ServingError: the address isn't to be had, or the packages of serving aren't there.
      Error: as `Decoder`.
    """
    if cluster.current().workers > 1:
        raise DeviceError("a server runs on one machine; unset TF_CONFIG")
    try:
        import uvicorn

        from t2tlite.serve.app import make_app
        from t2tlite.serve.metrics import Metrics
    except ModuleNotFoundError as error:
        raise ServingError(
            f"{error.name} isn't installed, and serving needs it: pip install 't2tlite[serve]'"
        ) from None
    # Before the model, so that an address in use doesn't cost its loading.
    with listening(address) as listener:
        described: list[Served] = []
        metrics = Metrics(lambda: len(batcher))
        batcher = Batcher(
            loader(make_decoder, name, described.append), limits, metrics.observe_batch
        )
        batcher.wait_ready()
        (served,) = described
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
        # uvicorn raises the signal that stopped it again, for these.
        with _ignored(signal.SIGTERM, signal.SIGINT):
            uvicorn.Server(config).run(sockets=[listener])
        batcher.stop(limits.timeout_secs)
    log.info("stopped")


@contextlib.contextmanager
def listening(address: tuple[str, int]) -> Iterator[socket.socket]:
    """A socket at the address.

    Raises:
      ServingError: it isn't this machine's, or is in use.
    """
    host, port = address
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ServingError(
            f"can't listen at {host}:{port} ({error}); choose another --host or --port"
        ) from None
    with listener:
        yield listener


@contextlib.contextmanager
def _ignored(*signals: signal.Signals) -> Iterator[None]:
    before = {one: signal.signal(one, lambda *_: None) for one in signals}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
