"""A newer checkpoint is loaded while the server answers."""

import json
import shutil
import threading
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from t2tlite import Decoder
from t2tlite.serving.reloading import Reloader, is_loopback
from t2tlite.serving.served_model import BatchDecoder
from tests.unit.serving.conftest import MODEL, echo, until

RELOAD = "/v1/models/reverse_digits:reload"
BODY = {"instances": ["3 1 4"], "parameters": {"beam_size": 1}}


def add_checkpoint(folder, step, change):
    """Writes a checkpoint whose tensors are those of step 250, changed."""
    tensors = load_file(folder / "model.ckpt-250.safetensors")
    changed = {name: change(np.array(value)) for name, value in tensors.items()}
    save_file(changed, folder / f"model.ckpt-{step}.safetensors")
    listed = json.loads((folder / "checkpoint.json").read_text())
    listed["steps"].append(step)
    (folder / "checkpoint.json").write_text(json.dumps(listed))


def asked(server):
    """Status, answer and rounded score of a request; a batch's size may change the last digits."""
    status, answer = server.predict(BODY, "reverse_digits")
    (row,) = answer["predictions"]
    return status, row["outputs"], round(row["scores"], 3)


def test_reload(start, tmp_path):
    folder = shutil.copytree(MODEL, tmp_path / "model")
    server = start(
        lambda: BatchDecoder(Decoder(folder, decode_hparams="beam_size=1,extra_length=3")),
        None,
        reloads=True,
    )
    before = asked(server)
    status, _, answer = server.ask("POST", RELOAD)
    kept = {"version": "250", "checkpoint": "model.ckpt-250", "loaded": False}
    assert (status, answer) == (200, kept)

    add_checkpoint(folder, 300, lambda values: np.full_like(values, np.nan))
    status, _, answer = server.ask("POST", RELOAD)
    assert status == 500
    assert answer["error"].startswith("kept model.ckpt-250: ")
    assert "is damaged" in answer["error"]
    assert "\n" not in answer["error"]
    assert asked(server) == before

    add_checkpoint(folder, 400, lambda values: values * 0.5)
    outcomes, done = [], threading.Event()

    def ask():
        while not done.is_set():
            outcomes.append(asked(server))

    # One client, so that all batches have a shape that is compiled.
    client = threading.Thread(target=ask)
    client.start()
    try:
        until(lambda: len(outcomes) > 1, 30)
        answer = server.ask("POST", RELOAD)[2]
        count = len(outcomes)
        until(lambda: len(outcomes) > count + 1, 30)
    finally:
        done.set()
        client.join()
    assert answer == {"version": "400", "checkpoint": "model.ckpt-400", "loaded": True}
    after = asked(server)
    assert after != before
    # No request was lost, and each was answered by one of the two.
    assert set(outcomes) == {before, after}
    assert before[0] == 200
    state = server.ask("GET", "/v1/models/reverse_digits")[2]
    assert state["model_version_status"][0]["version"] == "400"
    metrics = server.metrics()
    assert float(metrics['t2tlite_reloads_total{result="failed"}']) == 1
    assert float(metrics['t2tlite_reloads_total{result="loaded"}']) == 1
    version = 't2tlite_model_version{checkpoint="model.ckpt-400",model="reverse_digits"}'
    assert float(metrics[version]) == 400
    assert float(metrics["t2tlite_model_load_seconds"]) > 0


class Folder:
    """A model whose checkpoint files a test writes."""

    def __init__(self, path):
        self.path = path
        self.loads = 0

    def newest(self):
        return self.path

    def load_newest(self):
        self.loads += 1
        return False


class Now:
    """Calls at once what a batcher calls between batches."""

    def call(self, function):
        function()
        return self

    def result(self):
        return None


def test_watching_loads_each_file_once(tmp_path):
    path = tmp_path / "weights"
    path.write_text("1")
    model = Folder(path)
    reloader = Reloader(Now(), model)
    reloader.watch(0.01)
    try:
        until(lambda: model.loads == 1)
        path.write_text("2")
        until(lambda: model.loads == 2)
        path.unlink()
        time.sleep(0.1)
        assert model.loads == 2
    finally:
        reloader.stop()


def test_reloading_is_off_by_default(start):
    status, _, answer = start(echo).ask("POST", "/v1/models/echo:reload")
    assert (status, "--allow_reload" in answer["error"]) == (403, True)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("testclient", False)],
)
def test_loopback(address, expected):
    assert is_loopback(address) is expected
