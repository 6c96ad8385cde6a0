"""URLs: checked, shown without secrets, and in place of the values of flags."""

from pathlib import Path

import pytest

from t2tlite import buckets
from t2tlite.buckets import addresses
from t2tlite.errors import DataError


def test_checked():
    assert addresses.checked("S3A://bucket/a/b/") == "s3://bucket/a/b"
    assert addresses.checked("gcs://bucket") == "gs://bucket"
    assert addresses.checked("https://host/a?x=/../") == "https://host/a?x=/.."
    for url in ("s3:///a", "gs://bucket//a", "https://host/a/../b"):
        with pytest.raises(DataError, match="--data_dir=.*: expected "):
            addresses.checked(url, "--data_dir")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("can't read https://me:secret@host/a?sig=secret (no)", "can't read https://host/a (no)"),
        ("'http://host/a?X-Amz-Signature=secret'", "'http://host/a'"),
        ("s3://bucket/what?", "s3://bucket/what?"),
    ],
)
def test_redacted(text, shown):
    assert addresses.redacted(text) == shown


def test_base_name():
    names = [addresses.base_name(url) for url in ("s3://bucket/a/b", "gs://bucket", "http://h/x?y")]
    assert names == ["b", "bucket", "x"]


def test_values_that_are_no_urls_are_unchanged():
    for name, value in [
        *(("data_dir", value) for value in ("data", "~/a,b", "", None, 3)),
        ("problem", "s3://bucket/a"),
        ("decode_from_file", "lines,of.txt"),
    ]:
        assert buckets.local(name, value) is value
    assert buckets.local("data_dir", "file:///data") == "/data"
    assert buckets.local("reference", "file:///a,b,file:///c,/d") == "/a,b,/c,/d"


def test_several_urls_and_paths(remote):
    remote.write("a.txt", b"a")
    remote.write("plugin/__init__.py", b"")
    remote.write("plugin.py", b"")
    value = buckets.local("decode_reference", f"{remote.url}/a.txt,/b.txt")
    first, second = value.split(",")
    assert first.endswith("/files/a.txt") and second == "/b.txt"
    value = buckets.local("t2t_usr_dir", f"{remote.url}/plugin,{remote.url}/plugin.py,./mine")
    assert [one.rpartition("/")[2] for one in value.split(",")] == ["plugin", "plugin.py", "mine"]


def test_answers_with_what_lies_beside_them(s3):
    for name in ("ours", "ours.inputs", "ours.targets", "ours.targets1", "ours.png", "theirs"):
        s3.write(name, b"x\n")
    path = Path(buckets.local("answers", f"{s3.url}/ours"))
    found = {one.name for one in path.parent.iterdir()}
    assert found == {"ours", "ours.inputs", "ours.targets", "ours.targets1"}


def test_a_checkpoint_and_its_folder(remote):
    remote.write("model.ckpt-5.safetensors", b"weights")
    for given in (f"{remote.url}/model.ckpt-5.safetensors", f"{remote.url}/model.ckpt-5"):
        path = buckets.local("checkpoint_path", given)
        assert path == f"{buckets.local('output_dir', remote.url)}/{given.rpartition('/')[2]}"
    assert buckets.local("warm_start_from", remote.url) == buckets.local("output_dir", remote.url)
    assert buckets.shown(f"{path}.safetensors") == f"{remote.url}/model.ckpt-5.safetensors"
