"""Fixtures: servers that speak the protocols of S3, Google Cloud Storage and the web."""

import contextlib
import functools
import http.server
import logging
import os
import socket
import threading
import time

import pytest

from t2tlite.buckets import cache, drivers, mirror, uploads


@pytest.fixture(scope="session")
def s3_server():
    """The address of moto's server."""
    pytest.importorskip("s3fs", reason="s3:// needs s3fs: pip install 't2tlite[s3]'")
    moto = pytest.importorskip("moto.server", reason="needs pip install 'moto[s3]' flask-cors")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def gcs_server():
    """The address of an emulator of Google Cloud Storage."""
    with pytest.MonkeyPatch.context() as patch:
        # Otherwise gcsfs asks for the kind of each bucket by gRPC, which the emulator hasn't.
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        pytest.importorskip("gcsfs", reason="gs:// needs gcsfs: pip install 't2tlite[gcs]'")
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="needs the emulator")
    server = emulator.create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    host, port = server._api._httpd.server_address[:2]
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def no_buckets(monkeypatch, tmp_path):
    """An empty cache, quick retries, and a process that has opened no bucket."""
    monkeypatch.setenv("T2TLITE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(drivers, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(mirror, "_mirrors", {})
    monkeypatch.setattr(uploads._uploads, "_mirrors", {})
    yield monkeypatch
    cache._in_use.clear()


@pytest.fixture
def s3(s3_server, no_buckets):
    """A function that returns a driver's file system for a server, and the URL of a new bucket."""
    no_buckets.setenv("AWS_ACCESS_KEY_ID", "key")
    no_buckets.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
    no_buckets.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return _connect("s3", s3_server, no_buckets, "AWS_ENDPOINT_URL")


@pytest.fixture
def gs(gcs_server, no_buckets):
    """As `s3`."""
    no_buckets.setenv("FSSPEC_GCS_TOKEN", "anon")
    no_buckets.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    return _connect("gs", gcs_server, no_buckets, "STORAGE_EMULATOR_HOST")


class Remote:
    """A bucket of a server.

    Attributes:
      url: of a folder in it.
      driver: fsspec's file system.
    """

    count = 0

    def __init__(self, kind, driver):
        Remote.count += 1
        self.bucket = f"bucket{Remote.count}"
        self.url = f"{kind}://{self.bucket}/folder"
        self.driver = driver
        driver.mkdir(self.bucket)

    def names(self):
        self.driver.invalidate_cache()
        found = self.driver.find(f"{self.bucket}/folder")
        return sorted(name.removeprefix(f"{self.bucket}/folder/") for name in found)

    def read(self, name):
        return self.driver.cat_file(f"{self.bucket}/folder/{name}")

    def write(self, name, content):
        self.driver.pipe_file(f"{self.bucket}/folder/{name}", content)


def _connect(kind, server, patch, variable):
    import fsspec

    patch.setenv(variable, server)
    fsspec.get_filesystem_class(kind).clear_instance_cache()
    return Remote(kind, fsspec.filesystem(kind, use_listings_cache=False))


@pytest.fixture(params=["s3", "gs"])
def remote(request):
    """A new bucket of each service."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def fresh(no_buckets, tmp_path):
    """A function after which this process is one on another machine: nothing is cached."""
    count = 0

    def be_fresh(keep=False):
        nonlocal count
        count += 1
        mirror._mirrors.clear()
        uploads._uploads._mirrors.clear()
        cache._in_use.clear()
        if not keep:
            no_buckets.setenv("T2TLITE_CACHE_DIR", str(tmp_path / f"cache{count}"))

    return be_fresh


@pytest.fixture
def web(tmp_path):
    """A web server of the folder tmp_path/web: the folder and its address."""
    folder = tmp_path / "web"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    handler = functools.partial(Handler, directory=os.fspath(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Proxy:
    """A TCP proxy that cuts connections, or holds them.

    Args:
      server: its address.
      cuts: how many connections it cuts.
      cut_after: bytes sent to the server after which it cuts one.
      hold: text sent to the server after which it holds everything.

    Attributes:
      address: of the proxy.
      cuts: how many more connections it cuts.
      held: set when it holds everything.
    """

    def __init__(self, server, cuts=0, cut_after=0, hold=b""):
        host, port = server.removeprefix("http://").split(":")
        self._server = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts, self._cut_after, self._hold = cuts, cut_after, hold
        self.held = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            for pair in [(client, server, True), (server, client, False)]:
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source, target, counts):
        sent, found = 0, False
        with contextlib.suppress(OSError):
            while data := source.recv(2**14):
                sent += len(data)
                if counts and self.cuts and sent > self._cut_after:
                    self.cuts -= 1
                    break
                # The name comes first, then the content.
                found = found or bool(counts and self._hold and self._hold in data)
                if found and sent > 2**16:
                    self.held.set()
                while self.held.is_set() and source.fileno() >= 0:
                    time.sleep(0.05)
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self):
        self._listener.close()
