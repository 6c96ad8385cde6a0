"""The cache has a bound; what is in use, or not uploaded, stays."""

from pathlib import Path

import pytest

from t2tlite import buckets
from t2tlite.buckets import cache
from t2tlite.errors import DataError


@pytest.fixture
def limited(no_buckets):
    """A cache of 25 kB."""
    no_buckets.setenv("T2TLITE_CACHE_GB", "25e-6")


def folder_of(remote, name, size):
    remote.driver.pipe_file(f"{remote.bucket}/{name}/{name}", b"x" * size)
    return Path(buckets.local_folder(f"{remote.url.removesuffix('/folder')}/{name}"))


def test_what_was_used_longest_ago_is_dropped(s3, fresh, limited):
    first, second = folder_of(s3, "first", 8_000), folder_of(s3, "second", 8_000)
    (second / "new").write_bytes(b"not uploaded")
    fresh(keep=True)
    assert folder_of(s3, "third", 12_000).joinpath("third").exists()
    assert not (first / "first").exists() and (second / "second").exists()
    fresh(keep=True)
    assert folder_of(s3, "fourth", 20_000).joinpath("fourth").exists()
    assert not (second / "second").exists() and (second / "new").exists()
    fresh(keep=True)
    # It is fetched again where it is needed.
    assert folder_of(s3, "first", 8_000).joinpath("first").read_bytes() == b"x" * 8_000


def test_what_a_process_uses_is_not_dropped(s3, limited):
    first = folder_of(s3, "first", 15_000)
    with pytest.raises(DataError, match=r"needs 1.5e-05 GB, .*; raise --cache_gb or choose anoth"):
        folder_of(s3, "second", 15_000)
    assert (first / "first").exists()


def test_a_limit_that_is_no_number(s3, no_buckets):
    no_buckets.setenv("T2TLITE_CACHE_GB", "much")
    with pytest.raises(DataError, match="T2TLITE_CACHE_GB='much'; expected a number of gigabytes"):
        folder_of(s3, "first", 1)


def test_the_last_part_of_a_copy_is_that_of_the_url(no_buckets, tmp_path):
    path = cache.copy_of("s3://bucket/poetry", "poetry")
    assert path.name == "poetry" and path.is_relative_to(tmp_path / "cache")
    assert path != cache.copy_of("gs://bucket/poetry", "poetry")
    no_buckets.delenv("T2TLITE_CACHE_DIR")
    no_buckets.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.folder() == Path("/somewhere/t2tlite/buckets")
