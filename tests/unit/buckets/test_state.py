"""What is known of a local copy."""

from pathlib import Path

import pytest

from t2tlite import buckets
from t2tlite.buckets import state
from t2tlite.files import make_folder


@pytest.mark.parametrize("content", ["", "[]", '{"url": "", "files": {"a": {}}}', '{"files": 1}'])
def test_a_damaged_file_is_made_again(s3, fresh, content):
    s3.write("same", b"same")
    folder = Path(buckets.local_folder(s3.url))
    with buckets.uploading():
        make_folder(folder)
        (folder / "new").write_bytes(b"new")
    before = state.of_file(folder / "same")
    state.path_of(folder).write_text(content)
    fresh(keep=True)
    assert buckets.local_folder(s3.url) == str(folder)
    assert state.of_file(folder / "same") == before and (folder / "new").read_bytes() == b"new"
    known = state.read(folder)
    for name in ("same", "new"):
        assert known.files[name].local == state.of_file(folder / name)


def test_a_folder_that_is_no_copy(tmp_path):
    assert state.read(tmp_path) is None
    with pytest.raises(FileNotFoundError), state.changing(tmp_path):
        pass
