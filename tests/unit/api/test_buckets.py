"""The functions and the Decoder take URLs of buckets."""

import os
from pathlib import Path

import pytest

import t2tlite
from t2tlite.errors import OutputError


# gcsfs passes files of less than 5 MB as bytes.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_data_are_generated_into_a_bucket_and_complete_there(remote, fresh, capsys):
    made = t2tlite.generate_data("reverse_digits", remote.url, f"{remote.url}/tmp", num_workers=1)
    names = remote.names()
    assert {"reverse_digits.manifest.json", "reverse_digits-train-00000-of-00001"} < set(names)
    fresh()
    # On another machine nothing is generated, nor are the shards fetched.
    assert t2tlite.generate_data("reverse_digits", remote.url, num_workers=1) == made
    (copy,) = Path(os.environ["T2TLITE_CACHE_DIR"]).glob("*/folder")
    assert not [name for name in os.listdir(copy) if "-of-" in name]
    problem = t2tlite.registry.problem("reverse_digits")
    assert [Path(path).stat().st_size > 10**6 for path in problem.shards(str(copy), "train")]
    # Fewer shards replace those of the bucket.
    remote.write("reverse_digits-train-00001-of-00002", b"of an older data set")
    text = remote.read("reverse_digits.manifest.json").decode()
    old = '"reverse_digits-train-00001-of-00002": 20,\n    "reverse_digits-train-0'
    remote.write(
        "reverse_digits.manifest.json", text.replace('"reverse_digits-train-0', old, 1).encode()
    )
    fresh()
    t2tlite.generate_data("reverse_digits", remote.url, overwrite=True, num_workers=1)
    assert remote.names() == names


def test_data_are_not_generated_onto_a_web_server(web, no_buckets):
    pytest.importorskip("aiohttp", reason="https:// needs pip install 't2tlite[https]'")
    with pytest.raises(OutputError, match="can't write http://.*: https:// can only be read"):
        t2tlite.generate_data("reverse_digits", web[1])
