"""Folders of buckets as local folders."""

import os
from pathlib import Path

import pytest

from t2tlite import buckets
from t2tlite.buckets import drivers, state
from t2tlite.errors import DataError


def test_a_folder_is_fetched_and_large_files_only_when_asked_for(remote, fresh):
    shards = [f"p-train-0000{i}-of-00002" for i in range(2)]
    for name in ["p.manifest.json", "vocab.subwords", "deep/er/file", *shards]:
        remote.write(name, name.encode() * 1000)
    folder = Path(buckets.local_folder(remote.url))
    assert folder.name == "folder"
    assert (folder / "deep/er/file").read_bytes() == b"deep/er/file" * 1000
    assert sorted(os.listdir(folder)) == ["deep", "p.manifest.json", "vocab.subwords"]
    assert buckets.size_of(folder / shards[1]) == 1000 * len(shards[1])
    assert buckets.size_of(folder / "p-train-00002-of-00002") is None
    buckets.fetch(folder, "p-train-*")
    assert (folder / shards[0]).read_bytes() == shards[0].encode() * 1000
    fresh(keep=True)
    before = (folder / shards[0]).stat().st_mtime_ns
    remote.write(shards[1], b"new")
    remote.write("vocab.subwords", b"new")
    assert buckets.local_folder(remote.url) == str(folder)
    assert (folder / shards[0]).stat().st_mtime_ns == before
    assert not (folder / shards[1]).exists(), "the old content"
    assert (folder / "vocab.subwords").read_bytes() == b"new"
    buckets.fetch(folder / shards[1])
    assert (folder / shards[1]).read_bytes() == b"new"


def test_one_file_and_wildcards(remote):
    for name in ["a.csv", "b.csv", ".b.csv.part", "b.txt", "sub/c.csv"]:
        remote.write(name, name.encode())
    path = Path(buckets.local("decode_from_file", f"{remote.url}/b.csv"))
    assert path.read_bytes() == b"b.csv" and os.listdir(path.parent) == ["b.csv"]
    found = buckets.local_files(f"{remote.url}/*.csv")
    assert [Path(one).read_bytes() for one in found] == [b"a.csv", b"b.csv"]
    assert not Path(buckets.local_file(f"{remote.url}/new")).exists()
    # On every machine the same time.
    info = remote.driver.info(f"{remote.bucket}/folder/b.csv")
    modified = info.get("LastModified") or info["mtime"]
    assert path.stat().st_mtime_ns == int(modified.timestamp()) * 10**9
    with pytest.raises(DataError, match=r"folder/\*.gz matches no file"):
        buckets.local_files(f"{remote.url}/*.gz")


def test_what_a_web_server_has(web):
    pytest.importorskip("aiohttp", reason="https:// needs pip install 't2tlite[https]'")
    folder, address = web
    (folder / "data").mkdir()
    for name in ["data/p.manifest.json", "data/p-train-00000-of-00001", "lines.txt"]:
        (folder / name).write_text(name)
    copy = Path(buckets.local_folder(f"{address}/data"))
    assert os.listdir(copy) == ["p.manifest.json"]
    buckets.fetch(copy, "*-train-*")
    assert (copy / "p-train-00000-of-00001").read_text() == "data/p-train-00000-of-00001"
    path = Path(buckets.local_file(f"{address}/lines.txt?signature=secret"))
    assert path.name == "lines.txt" and path.read_text() == "lines.txt"
    assert "secret" not in buckets.shown(path)
    assert "secret" not in state.path_of(path.parent).read_text()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://host/x", "--data_dir=ftp://host/x: ftp:// is unknown; expected a path, gs://"),
        ("s3://", "expected s3://BUCKET/FOLDER"),
        ("gs://bucket/../x", "without .."),
    ],
)
def test_wrong_urls(url, message):
    with pytest.raises(DataError, match=message):
        buckets.local_folder(url, "--data_dir")


def test_a_missing_bucket_is_named(remote):
    url = remote.url.replace("bucket", "other-bucket")
    with pytest.raises(DataError, match=f"can't list {url}: ") as raised:
        buckets.local_folder(url)
    assert "\n" not in str(raised.value)


def test_a_bucket_that_cannot_be_reached_is_named(s3, no_buckets):
    no_buckets.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    type(s3.driver).clear_instance_cache()
    no_buckets.setenv("AWS_MAX_ATTEMPTS", "1")
    no_buckets.setattr(type(s3.driver), "retries", 1)
    no_buckets.setattr(drivers, "ATTEMPTS", 2)
    with pytest.raises(DataError, match=f"can't list {s3.url}: ") as raised:
        buckets.local_folder(s3.url)
    assert "\n" not in str(raised.value) and "the-secret" not in str(raised.value)


def test_what_comes_is_checked(remote, no_buckets):
    remote.write("file", b"right")
    real = type(remote.driver).get_file
    damages = [b"wrong", b"short", b""]

    def get_file(self, path, target, **options):
        real(self, path, target, **options)
        if damages:
            Path(target).write_bytes(damages.pop())

    no_buckets.setattr(type(remote.driver), "get_file", get_file)
    folder = Path(buckets.local_folder(remote.url))
    assert (folder / "file").read_bytes() == b"right" and os.listdir(folder) == ["file"]


def test_a_missing_driver_names_its_extra(no_buckets):
    no_buckets.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(DataError, match=r"pip install 't2tlite\[gcs\]'"):
        buckets.local_folder("gs://bucket/folder")


def test_changes_on_both_sides_are_an_error(remote, fresh):
    remote.write("checkpoint.json", b"[1]")
    remote.write("eval.jsonl", b"1")
    folder = Path(buckets.local_folder(remote.url))
    (folder / "checkpoint.json").write_bytes(b"[1, 2]")
    remote.write("checkpoint.json", b"[1, 3]")
    fresh(keep=True)
    with pytest.raises(DataError, match="checkpoint.json was changed by another machine, and the"):
        buckets.local_folder(remote.url)
    # Of a model that another machine has trained on, the other files are the bucket's, too.
    (folder / "checkpoint.json").unlink()
    (folder / "eval.jsonl").write_bytes(b"12")
    remote.write("eval.jsonl", b"13")
    buckets.local_folder(remote.url)
    assert (folder / "checkpoint.json").read_bytes() == b"[1, 3]"
    assert (folder / "eval.jsonl").read_bytes() == b"13"
