"""Uploads in the background: nothing half-written, nothing lost."""

import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from t2tlite import buckets
from t2tlite.buckets import drivers, mirror, uploads
from t2tlite.errors import OutputError
from t2tlite.files import atomic, make_folder
from tests.object_storage import Proxy


def save(folder, steps):
    """Writes a checkpoint as training does, and keeps the newest two."""
    for kind in ("model", "optimizer"):
        with atomic(folder / f"{kind}.ckpt-{steps[-1]}.safetensors") as file:
            file.write(b"%d" % steps[-1] * 1000)
    with atomic(folder / "checkpoint.json", "w") as file:
        json.dump({"steps": steps[-2:]}, file)
    for step in steps[:-2]:
        buckets.remove(folder / f"model.ckpt-{step}.safetensors")
        buckets.remove(folder / f"optimizer.ckpt-{step}.safetensors")


def test_what_is_written_is_uploaded_and_resumes_elsewhere(remote, fresh):
    with buckets.uploading():
        folder = make_folder(buckets.local_folder(remote.url))
        for step in (1, 2, 3):
            save(folder, list(range(1, step + 1)))
            (folder / ".training.lock").touch()
            uploads.upload(mirror.mirrors()[0])
        (folder / "eval").mkdir()
        (folder / "eval/events.out.tfevents.1").write_bytes(b"event")
    checkpoints = [
        f"{kind}.ckpt-{n}.safetensors" for kind in ("model", "optimizer") for n in (2, 3)
    ]
    expected = sorted(["checkpoint.json", "eval/events.out.tfevents.1", *checkpoints])
    assert remote.names() == expected
    fresh()
    folder = Path(buckets.local_folder(remote.url))
    assert os.listdir(folder) == ["checkpoint.json"]
    buckets.fetch(folder / "model.ckpt-3.safetensors")
    assert (folder / "model.ckpt-3.safetensors").read_bytes() == b"3" * 1000


def test_only_changes_are_uploaded(remote, no_buckets, fresh):
    with buckets.uploading():
        folder = make_folder(buckets.local_folder(remote.url))
        (folder / "a").write_text("a")
    sent = []
    real = drivers.Bucket.store
    no_buckets.setattr(
        drivers.Bucket,
        "store",
        lambda self, path, name: sent.append(name) or real(self, path, name),
    )
    with buckets.uploading():
        make_folder(folder)
        (folder / "b").write_text("b")
    assert sent == ["b"] and remote.names() == ["a", "b"]
    # Nor is anything fetched again that was uploaded.
    before = (folder / "a").stat()
    fresh(keep=True)
    assert buckets.local_folder(remote.url) == str(folder)
    assert (folder / "a").stat() == before


def test_a_checkpoint_list_comes_after_its_files_though_training_goes_on(remote, no_buckets):
    """While a checkpoint is uploaded, training saves the next and deletes that one."""
    make_folder(buckets.local_folder(remote.url))
    (one,) = mirror.mirrors()
    folder, saved = one.folder, [1]
    save(folder, saved)
    real, seen = drivers.Bucket.store, []

    def store(self, path, name):
        if len(saved) < 5:
            saved.append(len(saved) + 1)
            save(folder, list(saved))
        stored = real(self, path, name)
        names = remote.names()
        if "checkpoint.json" in names:
            seen.append(json.loads(remote.read("checkpoint.json"))["steps"])
            for step in seen[-1]:
                assert {f"{k}.ckpt-{step}.safetensors" for k in ("model", "optimizer")} < set(names)
        return stored

    no_buckets.setattr(drivers.Bucket, "store", store)
    for _ in range(4):
        uploads.upload(one)
    assert seen[0] == [1] and seen[-1] == [4, 5]
    uploads.upload(one)
    assert len(remote.names()) == 5


def test_a_connection_that_is_cut_in_the_middle_of_an_upload(s3_server, s3, no_buckets, fresh):
    proxy = Proxy(s3_server, cuts=3, cut_after=300_000)
    no_buckets.setenv("AWS_ENDPOINT_URL", proxy.address)
    type(s3.driver).clear_instance_cache()
    content = os.urandom(1_000_000)
    with buckets.uploading():
        folder = make_folder(buckets.local_folder(s3.url))
        (folder / "weights").write_bytes(content)
    assert proxy.cuts == 0 and s3.read("weights") == content
    proxy.close()


def test_without_a_connection_nothing_is_lost(remote, fresh, no_buckets, caplog):
    caplog.set_level(logging.INFO, "t2tlite")

    def put_file(*arguments, **options):
        raise ConnectionError("the network is down")

    real = remote.driver.put_file
    no_buckets.setattr(uploads, "UPLOAD_SECONDS", 0.05)
    no_buckets.setattr(remote.driver, "put_file", put_file)
    with (
        pytest.raises(
            OutputError, match="nothing is lost: what isn't uploaded yet is in "
        ) as raised,
        buckets.uploading(),
    ):
        folder = make_folder(buckets.local_folder(remote.url))
        save(folder, [1])
        deadline = time.monotonic() + 10
        while "trying again every" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.02)
    assert f"{remote.url}: the network is down" in str(raised.value)
    # A command shows URLs in place of copies, but for what this says.
    assert buckets.with_urls(str(raised.value)) == str(raised.value)
    assert "\n" not in str(raised.value) and "trying again every" in caplog.text
    assert remote.names() == []
    no_buckets.setattr(remote.driver, "put_file", real)
    fresh(keep=True)
    # A command that only reads doesn't upload; the next that writes does.
    with buckets.uploading():
        assert buckets.local_folder(remote.url) == str(folder)
    assert remote.names() == []
    with buckets.uploading():
        make_folder(folder)
    assert len(remote.names()) == 3


def test_two_machines_that_write_one_model(remote, fresh):
    with buckets.uploading():
        folder = make_folder(buckets.local_folder(remote.url))
        save(folder, [1])
    (one,) = mirror.mirrors()
    fresh()
    with buckets.uploading():
        save(make_folder(buckets.local_folder(remote.url)), [1, 2])
    save(folder, [1, 3])
    with pytest.raises(
        OutputError, match="another machine has changed .*checkpoint.json meanwhile"
    ):
        uploads.upload(one)
    assert json.loads(remote.read("checkpoint.json"))["steps"] == [1, 2]


def test_a_kill_right_after_an_upload_is_no_change_of_another_machine(remote, fresh, no_buckets):
    make_folder(buckets.local_folder(remote.url))
    (one,) = mirror.mirrors()
    save(one.folder, [1])
    uploads.upload(one)
    save(one.folder, [1, 2])
    real = drivers.Bucket.store

    def store(self, path, name):
        stored = real(self, path, name)
        if name == "checkpoint.json":
            raise KeyboardInterrupt
        return stored

    no_buckets.setattr(drivers.Bucket, "store", store)
    with pytest.raises(KeyboardInterrupt):
        uploads.upload(one)
    no_buckets.setattr(drivers.Bucket, "store", real)
    save(one.folder, [1, 2, 3])
    fresh(keep=True)
    with buckets.uploading():
        make_folder(buckets.local_folder(remote.url))
    assert json.loads(remote.read("checkpoint.json"))["steps"] == [2, 3]


def test_the_thread_uploads_during_a_command(remote, no_buckets):
    no_buckets.setattr(uploads, "UPLOAD_SECONDS", 0.05)
    with buckets.uploading():
        folder = make_folder(buckets.local_folder(remote.url))
        (folder / "a").write_text("a")
        deadline = time.monotonic() + 10
        while remote.names() != ["a"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert remote.names() == ["a"]
    assert not [one for one in threading.enumerate() if one.name == "uploading"]


def test_nothing_is_written_to_a_web_server(web):
    pytest.importorskip("aiohttp", reason="https:// needs pip install 't2tlite[https]'")
    folder, address = web
    (folder / "run.json").write_text("{}")
    with pytest.raises(OutputError, match=f"can't write {address}: https:// can only be read"):
        make_folder(buckets.local_folder(address))
