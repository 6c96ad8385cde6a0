import importlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from t2tlite.errors import DataError

text_files = importlib.import_module("t2tlite.problems.text_files")


def test_find(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", ".hidden.txt", "c.csv"):
        (tmp_path / name).touch()
    (tmp_path / "folder.txt").mkdir()
    assert [path.name for path in text_files.find(tmp_path)] == ["a.txt", "b.txt"]
    assert text_files.find(tmp_path / "absent") == []
    assert text_files.find(None) == text_files.find("") == []


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffgrün\r\nblau\rrot\n".encode())
    assert text_files.read(path) == "grün\nblau\nrot\n"


@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf"])
def test_ill_formed_utf8_is_placed(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.txt"
    good = head + "über\n".encode() * 100
    path.write_bytes(good + "über".encode("latin-1") + b" alles")
    expected = rf"{path}, line 101: byte 0xfc is not UTF-8; .* iconv -f LATIN1 -t UTF-8 {path}"
    with pytest.raises(DataError, match=expected):
        text_files.read(path)
    with pytest.raises(DataError, match=expected):
        list(text_files.chunks(path, 0.0, 1.0, 64))


def test_character_cut_off_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc" + "€".encode()[:2])
    with pytest.raises(DataError, match="line 1: byte 0xe2 is not UTF-8"):
        list(text_files.chunks(path, 0.0, 1.0, 64))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    text=st.text(st.sampled_from("aé€😀\n\r\x00"), max_size=60),
    share=st.floats(0, 1),
    size=st.integers(4, 9),
)
def test_chunks_are_the_whole_text(tmp_path: Path, text: str, share: float, size: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode())
    first = list(text_files.chunks(path, 0.0, share, size))
    second = list(text_files.chunks(path, share, 1.0, size))
    assert "".join(first + second) == text
    assert all(0 < len(chunk.encode()) <= size for chunk in first + second)
    # No chunk is shorter than need be, except the last of a stretch.
    assert all(len(chunk.encode()) > size - 4 for chunk in first[:-1] + second[:-1])
    cut = share * len(text.encode())
    assert cut - 1 <= len("".join(first).encode()) <= cut + 3
