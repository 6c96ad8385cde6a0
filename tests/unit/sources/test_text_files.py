"""Lines of files, for all byte sequences and sizes of the chunks they are read in."""

import pytest

from t2tlite.errors import DataError
from t2tlite.sources import text_files
from t2tlite.sources.text_files import check_line_count, count_lines, each_line, read_lines


@pytest.fixture
def write(tmp_path):
    def write(data, name="lines"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"one\n\ntwo", ["one", "", "two"]),
        (b"one\r\n\r\ntwo\r\n", ["one", "", "two"]),
        ("\ufeffé\u2028ü\n\x0c\x00\t \n".encode(), ["\ufeffé\u2028ü", "\x0c\x00\t "]),
    ],
)
@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
def test_lines(write, monkeypatch, chunk, data, lines):
    monkeypatch.setattr(text_files, "_CHUNK_BYTES", chunk)
    assert read_lines(write(data)) == lines
    assert count_lines(write(data)) == len(lines)


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_another_delimiter(write, monkeypatch, chunk):
    monkeypatch.setattr(text_files, "_CHUNK_BYTES", chunk)
    assert read_lines(write("a\nb—c——d—".encode()), "—") == ["a\nb", "c", "", "d"]


@pytest.mark.parametrize("chunk", [1, 1 << 20])
@pytest.mark.parametrize("delimiter", ["\n", ";"])
def test_broken_utf8_is_named_by_its_line(write, monkeypatch, chunk, delimiter):
    monkeypatch.setattr(text_files, "_CHUNK_BYTES", chunk)
    path = write(b"good;\n\nb\xffd;\n")
    with pytest.raises(DataError, match="lines, line 3: byte 0xff is not UTF-8; convert the file$"):
        count_lines(path, delimiter)


def test_lines_come_before_the_file_was_read_to_its_end(write, monkeypatch):
    monkeypatch.setattr(text_files, "_CHUNK_BYTES", 4)
    lines = each_line(write(b"one\ntwo\n\xff\n"))
    assert [next(lines), next(lines)] == ["one", "two"]


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="lines doesn.t exist; put it there, or check the path"):
        next(each_line(tmp_path / "lines"))


def test_files_beside_each_other(write):
    path = write(b"a\nb\n", "other")
    check_line_count(path, "lines", 2)
    with pytest.raises(DataError, match="lines has 3 lines and .*other has 2; they must agree"):
        check_line_count(path, "lines", 3)
