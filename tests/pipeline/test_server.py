"""The commands t2t-server and t2t-query-server, started and stopped as a user does."""

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from tests.pipeline.conftest import BIN

pytest.importorskip("starlette", reason="needs t2tlite[serve]")

GOLDEN = Path(__file__).parents[1] / "golden" / "model"


@pytest.mark.slow
def test_serves_until_it_is_stopped(command, tmp_path):
    model = shutil.copytree(GOLDEN, tmp_path / "model")
    words = [BIN / "t2t-server", f"--output_dir={model}", "--port=0", "--servable_name=digits"]
    words += ["--watch", "--allow_reload", "--access_log"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        ready = next(line for line in process.stderr if "serving" in line)
        match = re.search(r"serving digits, version 250, at http://(127\.0\.0\.1:\d+)", ready)
        answer = command("t2t-query-server", f"--server={match[1]}", "--inputs_once=3 1 4").stdout
        assert re.fullmatch(r"\nInput:\n3 1 4\n\nOutput \(Score -\d\.\d+\):\n4 1 3\n\n", answer)
        lines = "\ufeff1 2\n\n9\n"
        several = command("t2t-query-server", f"--server=http://{match[1]}/", stdin=lines)
        assert re.findall(r"Input:\n(.*)\n\nOutput .*:\n(.*)", several.stdout) == [
            ("1 2", "2 1"),
            ("9", "9"),
        ]
        # A newer checkpoint is loaded, whether this request or --watch is first.
        shutil.copy(model / "model.ckpt-250.safetensors", model / "model.ckpt-300.safetensors")
        (model / "checkpoint.json").write_text('{"steps": [250, 300]}')
        url = f"http://{match[1]}/v1/models/digits"
        with urllib.request.urlopen(f"{url}:reload", b"", timeout=60) as response:
            assert json.load(response)["checkpoint"] == "model.ckpt-300"
        with urllib.request.urlopen(url, timeout=60) as response:
            assert json.load(response)["model_version_status"][0]["version"] == "300"
        process.send_signal(signal.SIGTERM)
        requests, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert rest.splitlines()[-1].endswith("stopped")
    assert "loaded model.ckpt-300" in rest
    assert "Traceback" not in rest
    logged = [json.loads(line) for line in requests.splitlines()]
    assert [(one["method"], one["path"], one["status"]) for one in logged][-2:] == [
        ("POST", "/v1/models/digits:reload", 200),
        ("GET", "/v1/models/digits", 200),
    ]


@pytest.mark.slow
def test_sigterm_while_a_batch_takes_long(tmp_path):
    # 100,000 characters take minutes.
    words = [BIN / "t2t-server", f"--output_dir={GOLDEN}", "--port=0", "--stop_secs=1"]
    words += ["--max_line_length=100000", "--decode_hparams=extra_length=100000"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        ready = next(line for line in process.stderr if "serving" in line)
        port = int(ready.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        body = json.dumps({"instances": ["1 2 3"] * 64, "parameters": {"beam_size": 16}})
        connection.request("POST", "/v1/models/reverse_digits:predict", body)
        time.sleep(2)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        response = connection.getresponse()
        assert (response.status, json.load(response)) == (503, {"error": "the server is stopping"})
        _, rest = process.communicate(timeout=30)
        assert time.monotonic() - began < 15
    finally:
        process.kill()
    assert process.returncode == 0
    assert rest.splitlines()[-1].endswith("stopped")
    assert "Traceback" not in rest


def test_an_address_in_use_is_an_error_of_one_line(command):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = command("t2t-server", f"--output_dir={GOLDEN}", f"--port={port}", status=1)
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("t2t-server: ")]
    assert message.startswith(f"t2t-server: can't listen on 127.0.0.1:{port} (")
    assert message.endswith("choose another --host or --port")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["t2t-server"], 2, "--output_dir"),
        (["t2t-server", "--output_dir=nowhere"], 1, "nowhere holds no model"),
        (["t2t-server", "--output_dir=x", "--max_queue=0"], 2, "flag --max_queue=0"),
        (["t2t-server", "--output_dir=x", "--max_queue=9"], 2, "=256 exceeds --max_queue=9"),
        (["t2t-server", "--output_dir=x", "--allowed_hosts=a,b:1"], 2, "--allowed_hosts has 'b:1'"),
        (["t2t-server", "--output_dir=x", "--allowed_hosts=http://a"], 2, "without a port"),
        (
            ["t2t-server", "--output_dir=x", "--watch", "--checkpoint_path=3"],
            2,
            "--watch loads newer",
        ),
        (["t2t-query-server"], 2, "--server"),
        (["t2t-query-server", "--server=host"], 2, "--server=host is not host:port"),
        (["t2t-query-server", "--server=grpc://host:1"], 2, "only HTTP is supported"),
        (["t2t-query-server", "--server=127.0.0.1:1", "--inputs_once=a"], 1, "can't connect to"),
    ],
)
def test_errors_are_one_line(command, words, status, message):
    done = command(*words, status=status)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith(f"{words[0]}: ")]
    assert message in line
    assert "Traceback" not in done.stderr
