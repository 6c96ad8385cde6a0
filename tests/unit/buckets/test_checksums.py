"""Checksums as S3 and Google Cloud Storage report them."""

import base64
import hashlib

import pytest

from t2tlite.buckets import checksums

MEBIBYTE = 2**20


@pytest.mark.parametrize("size", [0, 1, 3 * MEBIBYTE + 7])
def test_of_a_whole_file(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    digest = hashlib.md5(path.read_bytes())
    s3 = {"ETag": f'"{digest.hexdigest()}"', "LastModified": 1}
    gcs = {"md5Hash": base64.b64encode(digest.digest()).decode()}
    for info in (s3, gcs):
        assert checksums.matches(path, checksums.reported(info)) is True
        assert checksums.reported(info) in checksums.of_bytes(path.read_bytes())
    (crc32c,) = [one for one in checksums.of_bytes(path.read_bytes()) if one.startswith("crc")]
    assert checksums.reported({**gcs, "crc32c": crc32c.partition(":")[2]}) == crc32c
    assert checksums.matches(path, crc32c) is True
    path.write_bytes(path.read_bytes() + b"y")
    for checksum in (checksums.reported(s3), checksums.reported(gcs), crc32c):
        assert checksums.matches(path, checksum) is False


def test_the_crc_of_google_cloud_storage():
    # The check value of CRC-32C.
    assert "crc32c:4waSgw==" in checksums.of_bytes(b"123456789")


def test_of_an_upload_in_parts(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a" * 8 * MEBIBYTE + b"b" * 100)
    parts = hashlib.md5(b"a" * 8 * MEBIBYTE).digest() + hashlib.md5(b"b" * 100).digest()
    checksum = checksums.reported({"ETag": f'"{hashlib.md5(parts).hexdigest()}-2"'})
    assert checksums.matches(path, checksum) is True
    path.write_bytes(b"c" + path.read_bytes()[1:])
    # Or the parts had another size.
    assert checksums.matches(path, checksum) is None


def test_the_tag_of_a_web_server_is_no_checksum():
    assert checksums.reported({"ETag": '"0123456789abcdef0123456789abcdef"'}) == ""
    assert checksums.reported({"ETag": 'W/"5f"', "LastModified": 1}) == ""
