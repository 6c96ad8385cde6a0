import concurrent.futures
import functools
import gzip
import hashlib
import http.server
import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from t2tlite import console
from t2tlite.errors import DownloadError, OutputError
from t2tlite.sources import download

# More than one chunk.
CONTENT = b"so long lives this, and this gives life to thee\n" * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves what the paths' names say, and notes each request."""

    def __init__(self, requests: list[str], *args: object) -> None:
        self.requests = requests
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        attempt = self.requests.count(self.path)
        status = {"/missing": 404, "/broken": 500}.get(self.path, 200)
        if self.path == "/second-time" and attempt == 1:
            status = 503
        content = CONTENT
        if self.path in ("/goes-on", "/changes"):
            tag = f'"{attempt}"' if self.path == "/changes" else '"same"'
            if self.headers.get("If-Range") == tag:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                self.requests[-1] += f" from {start}"
                status, content = 206, CONTENT[start:]
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if self.path in ("/goes-on", "/changes"):
            self.send_header("ETag", tag)
        self.end_headers()
        once = ("/breaks-off-once", "/goes-on", "/changes")
        if self.path == "/breaks-off" or (self.path in once and attempt == 1):
            content = content[:100_000]
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def requests() -> list[str]:
    return []


@pytest.fixture
def server(requests: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on this machine."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "RETRY_SECONDS", 0.0)
    handler = functools.partial(Handler, requests)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()
        thread.join()


def test_downloads_once(server: str, requests: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    path = download.maybe_download(folder, "poems.txt", f"{server}/poems", SHA256)
    assert path == str(folder / "poems.txt")
    assert Path(path).read_bytes() == CONTENT
    assert download.maybe_download(folder, "poems.txt", f"{server}/poems", SHA256) == path
    assert download.maybe_download(folder, "poems.txt", "http://nowhere.invalid/x") == path
    assert requests == ["/poems"]


def test_says_what_it_downloads(
    server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        download.maybe_download(tmp_path, "poems.txt", f"{server}/poems")
    assert f"downloading {server}/poems (240,000 bytes)" in caplog.text


def test_shows_a_bar_on_a_terminal(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    monkeypatch.setattr(console, "console", lambda: Console(file=screen, force_terminal=True))
    path = download.maybe_download(tmp_path, "poems.txt", f"{server}/poems")
    assert Path(path).read_bytes() == CONTENT
    assert "poems.txt" in screen.getvalue()


def test_wrong_checksum_leaves_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"sha256 {SHA256}; expected 0123"):
        download.maybe_download(tmp_path, "poems.txt", f"{server}/poems", "0123")
    assert list(tmp_path.iterdir()) == []


def test_checksum_of_an_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "poems.txt"
    path.write_bytes(CONTENT)
    uri = "http://nowhere.invalid/x"
    assert download.maybe_download(tmp_path, "poems.txt", uri, SHA256.upper()) == str(path)
    path.write_bytes(CONTENT[1:])
    with pytest.raises(DownloadError, match="delete it to download http://nowhere.invalid/x again"):
        download.maybe_download(tmp_path, "poems.txt", uri, SHA256)


def test_missing_file_is_asked_for_once(server: str, requests: list[str], tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="the server answers 404") as caught:
        download.maybe_download(tmp_path, "poems.txt", f"{server}/missing")
    assert f"save it as {tmp_path / 'poems.txt'}" in str(caught.value)
    assert requests == ["/missing"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/broken", "/breaks-off"])
def test_gives_up_after_three_attempts(
    server: str, requests: list[str], tmp_path: Path, path: str
) -> None:
    expected = "answers 500" if path == "/broken" else "interrupted after 100000 of 240000 bytes"
    with pytest.raises(DownloadError, match=expected):
        download.maybe_download(tmp_path, "poems.txt", server + path)
    assert requests == [path] * 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/second-time", "/breaks-off-once"])
def test_tries_again(server: str, requests: list[str], tmp_path: Path, path: str) -> None:
    result = download.maybe_download(tmp_path, "poems.txt", server + path, SHA256)
    assert Path(result).read_bytes() == CONTENT
    assert requests == [path] * 2


@pytest.mark.parametrize(
    ("path", "second"), [("/goes-on", "/goes-on from 100000"), ("/changes", "/changes")]
)
def test_goes_on_after_a_stop(
    server: str,
    requests: list[str],
    tmp_path: Path,
    path: str,
    second: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    with pytest.raises(DownloadError, match="interrupted after 100000 of 240000 bytes"):
        download.maybe_download(tmp_path, "poems.txt", server + path, SHA256)
    assert (tmp_path / ".poems.txt.part").stat().st_size == 100_000
    result = download.maybe_download(tmp_path, "poems.txt", server + path, SHA256)
    assert Path(result).read_bytes() == CONTENT
    assert requests == [path, second]
    # Another address has another content.
    (tmp_path / "poems.txt").rename(tmp_path / ".poems.txt.part")
    (tmp_path / ".poems.txt.part.json").write_text('{"uri": "http://other", "validator": "x"}')
    download.maybe_download(tmp_path, "poems.txt", f"{server}/poems", SHA256)
    assert [item.name for item in tmp_path.iterdir()] == ["poems.txt"]


def test_two_runs_download_once(server: str, requests: list[str], tmp_path: Path) -> None:
    def run() -> None:
        download.maybe_download(tmp_path, "poems.txt", f"{server}/poems", SHA256)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run) for _ in range(4)]:
            done.result()
    assert requests == ["/poems"]
    assert [item.name for item in tmp_path.iterdir()] == ["poems.txt"]


def test_waits_longer_each_time(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download, "RETRY_SECONDS", 1.0)
    monkeypatch.setattr(download.time, "sleep", waits.append)
    with pytest.raises(DownloadError):
        download.maybe_download(tmp_path, "poems.txt", f"{server}/broken")
    assert waits == [1.0, 2.0]


def test_file_uri(tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_bytes(CONTENT)
    path = download.maybe_download(tmp_path / "cache", "poems.txt", source.as_uri(), SHA256)
    assert Path(path).read_bytes() == CONTENT
    absent = (tmp_path / "absent.txt").as_uri()
    with pytest.raises(DownloadError, match="No such file"):
        download.maybe_download(tmp_path / "cache", "absent.txt", absent)


@pytest.mark.parametrize("uri", ["poems.txt", "nonsense://host/poems.txt"])
def test_address_that_is_none(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "RETRY_SECONDS", 0.0)
    with pytest.raises(DownloadError, match="unknown url type"):
        download.maybe_download(tmp_path, "poems.txt", uri)


def test_folder_that_cannot_be_written(server: str, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(OutputError, match="choose another folder"):
        download.maybe_download(in_the_way, "poems.txt", f"{server}/poems")


def test_gunzip(tmp_path: Path) -> None:
    packed, unpacked = tmp_path / "poems.txt.gz", tmp_path / "poems.txt"
    packed.write_bytes(gzip.compress(CONTENT))
    download.gunzip_file(packed, unpacked)
    assert unpacked.read_bytes() == CONTENT
    unpacked.write_bytes(b"mine")
    download.gunzip_file(packed, unpacked)
    assert unpacked.read_bytes() == b"mine"


@pytest.mark.parametrize("raw", [gzip.compress(CONTENT, mtime=0)[:-9], b"not a gzip file"])
def test_gunzip_of_a_broken_file(raw: bytes, tmp_path: Path) -> None:
    packed = tmp_path / "poems.txt.gz"
    packed.write_bytes(raw)
    with pytest.raises(DownloadError, match="isn't a whole gzip file"):
        download.gunzip_file(packed, tmp_path / "poems.txt")
    assert list(tmp_path.iterdir()) == [packed]


def test_gunzip_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="doesn't exist"):
        download.gunzip_file(tmp_path / "absent.gz", tmp_path / "poems.txt")
    assert list(tmp_path.iterdir()) == []
