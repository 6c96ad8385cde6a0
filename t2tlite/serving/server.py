"""Starts and stops the server."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from t2tlite.assignments import shown
from t2tlite.devices import cluster
from t2tlite.errors import DeviceError, ServingError
from t2tlite.serving import page_texts
from t2tlite.serving.batching import Batcher
from t2tlite.serving.limits import Limits, Options
from t2tlite.serving.reloading import Reloader
from t2tlite.serving.served_model import BatchDecoder

log = logging.getLogger(__name__)

# Connections that may wait to be accepted.
BACKLOG = 2048


class Server:
    """A server that isn't running yet, or runs in a thread.

    Args:
      make_decoder: returns the `Decoder`; called in the thread that decodes.
      name: of the model in URLs; "": its problem's name.
      address: host and port; port 0: any free port.
      limits: of requests and batches.
      allowed_hosts: see `check_requests`; that of `address` is allowed.
      checkpoint: which checkpoint `options` load later: "" (the newest) or "best".
      options: what is off by default, and the file of the page's texts.

    Attributes:
      name: of the model in URLs.
      url: where the server listens, "http://HOST:PORT".

    Raises:
      ServingError: the address or the file of texts can't be used, or the extra `serve` isn't
        installed.
      DeviceError: TF_CONFIG names several machines.
      Error: what `make_decoder` raises.
    """

    def __init__(
        self,
        make_decoder: Callable[[], Any],
        name: str,
        address: tuple[str, int],
        limits: Limits,
        allowed_hosts: Collection[str] = (),
        checkpoint: str = "",
        options: Options | None = None,
    ):
        _check_name(name)
        if cluster.current().workers > 1:
            raise DeviceError("a server runs on one machine; unset TF_CONFIG")
        try:
            import uvicorn

            from t2tlite.serving.access_log import log_requests
            from t2tlite.serving.app import make_app
            from t2tlite.serving.prometheus_metrics import Metrics
        except ModuleNotFoundError as error:
            raise ServingError(
                f"serving needs {error.name}, which isn't installed: pip install 't2tlite[serve]'"
            ) from None

        options = options or Options()
        texts = page_texts.read(options.page_texts)

        def load() -> BatchDecoder:
            started = time.monotonic()
            decode = BatchDecoder(make_decoder(), name, checkpoint, texts)
            decode.warm_up()
            decode.loaded_since(started)
            return decode

        self._thread: threading.Thread | None = None
        # Opened before the model is loaded, so that an address in use fails at once.
        self._listener = listen(address)
        try:
            metrics = Metrics(lambda: len(self._batcher), lambda: self._model.served)
            self._batcher = Batcher(load, limits, metrics.observe_batch)
            self._model: BatchDecoder = self._batcher.wait_ready()
        except BaseException:
            self._listener.close()
            raise
        self.name = self._model.served.name
        self._reloader = Reloader(self._batcher, self._model, metrics.observe_reload)
        if options.watch:
            self._reloader.watch()
        hosts = {address[0], *allowed_hosts}
        app = make_app(
            self._batcher, lambda: self._model.served, limits, metrics, hosts,
            self._reloader if options.allow_reload else None,
        )  # fmt: skip
        if options.access_log:
            app = log_requests(app)
        host, port = self._listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._server = uvicorn.Server(server_config(app, limits))

    @property
    def version(self) -> int:
        """The step of the checkpoint that is served."""
        return self._model.served.version

    def run(self) -> bool:
        """Serves until a signal or `stop`; returns whether all requests were answered in time."""
        log.info("serving %s, version %d, at %s", self.name, self.version, self.url)
        with self._listener:
            self._server.run(sockets=[self._listener])
            self._reloader.stop()
            stopped = self._batcher.stop(1)
        log.info("stopped")
        return stopped

    def start(self) -> Server:
        """Serves in a thread from now on; returns self."""
        self._thread = threading.Thread(target=self.run, name="t2tlite server", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answers the pending requests, then ends the thread."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server of {self.name}, version {self.version}, at {self.url}>"


def serve(server: Server) -> None:
    """Serves until SIGTERM or Ctrl-C, then answers the pending requests and returns.

    What isn't answered within `limits.stop_secs` gets 503; the process exits with status 0 instead
    if it is decoding a batch then.
    """
    # uvicorn raises the signal that stopped it again when it returns.
    handlers = {s: signal.signal(s, lambda *_: None) for s in (signal.SIGTERM, signal.SIGINT)}
    stopped = server.run()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    if not stopped:
        # The interpreter's own exit would wait for TensorFlow's running operation.
        os._exit(0)


def server_config(app: Any, limits: Limits) -> Any:
    """Returns uvicorn's configuration for the ASGI application `app`."""
    import uvicorn

    from t2tlite.serving.http_checks import HttpProtocol

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


def _check_name(name: str) -> None:
    """Raises ServingError if a model's name can't be a part of URLs."""
    if name and not re.fullmatch(r"[\w.-]+", name):
        raise ServingError(
            f"--servable_name={shown(name, quoted=True)}; expected letters, digits, _, - and ."
        )
