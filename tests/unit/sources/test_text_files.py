"""Lines of files, for all byte sequences and sizes of the chunks they are read in."""

import gzip

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from t2tlite.errors import DataError
from t2tlite.sources import text_files
from t2tlite.sources.text_files import (
    check_line_count,
    count_lines,
    each_line,
    read_lines,
    text2class_txt_iterator,
    text2self_txt_iterator,
    text2text_distill_iterator,
    text2text_txt_iterator,
    text2text_txt_tab_iterator,
    txt_line_iterator,
)


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
        ("\ufeffé\u2028ü\n\x0c\x00\t \n".encode(), ["é\u2028ü", "\x0c\x00\t "]),
        ("\ufeff".encode(), []),
        ("\ufeff\ufeffa\n\ufeffb".encode(), ["\ufeffa", "\ufeffb"]),
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
    with pytest.raises(DataError, match="lines, line 3: byte 0xff is not UTF-8; .*LATIN1"):
        count_lines(path, delimiter)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_in_every_kind_of_sample(write, pack):
    name = "a.gz" if pack is gzip.compress else "a"
    path = write(pack("\ufeffa\tb\nc\td\n".encode()), name)
    assert next(text2text_txt_tab_iterator(path)) == {"inputs": "a", "targets": "b"}
    labels = write(pack("\ufeff1\n0\n".encode()), f"labels.{name}")
    assert next(text2class_txt_iterator(path, labels))["label"] == 1
    assert next(text2self_txt_iterator(path)) == {"targets": "a\tb"}


def test_a_long_line_takes_linear_time(write, monkeypatch):
    monkeypatch.setattr(text_files, "_CHUNK_BYTES", 10)
    assert len(read_lines(write(b"x" * 3_000_000))[0]) == 3_000_000


@seed(1)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from([b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\n", b"\r", b"\0", b"\t", b"ab"])
        | st.binary(max_size=3),
        max_size=8,
    ).map(b"".join),
    st.sampled_from([bytes, gzip.compress, lambda raw: gzip.compress(raw)[:-3]]),
    st.sampled_from(["lines", "lines.gz"]),
    st.sampled_from([1, 4, 1 << 20]),
)
def test_any_bytes(write, monkeypatch, raw, pack, name, chunk):
    """Lines as they are written, or one line of error."""
    monkeypatch.setattr(text_files, "_CHUNK_BYTES", chunk)
    path = write(pack(raw), name)
    content = raw if name.endswith("gz") else path.read_bytes()
    try:
        lines = read_lines(path)
    except DataError as error:
        assert "\n" not in str(error)
        with pytest.raises((UnicodeDecodeError, EOFError, gzip.BadGzipFile)):
            read = gzip.decompress if name.endswith("gz") else bytes
            read(path.read_bytes()).decode()
        return
    text = content.decode("utf-8-sig").replace("\r\n", "\n")
    assert lines == (text.removesuffix("\n").split("\n") if text else [])


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


class TestSampleIterators:
    """The iterators that generate_samples of a problem may return."""

    def test_lines(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_bytes(" ü \r\n\x85x\u2028y\n\nlast".encode())
        # Only a newline ends a line: other breaks are text.
        assert list(txt_line_iterator(path)) == ["ü", "x\u2028y", "", "last"]

    def test_what_is_missing_or_not_utf8(self, tmp_path):
        with pytest.raises(DataError, match="a.txt doesn't exist"):
            list(txt_line_iterator(tmp_path / "a.txt"))
        with pytest.raises(DataError, match=f"{tmp_path.name} is a folder; expected a file"):
            list(txt_line_iterator(tmp_path))
        (tmp_path / "a.txt").write_bytes(b"good\nb\xfcse\n")
        with pytest.raises(DataError, match=r"line 2: byte 0xfc is not UTF-8"):
            list(txt_line_iterator(tmp_path / "a.txt"))

    def test_parallel_files(self, tmp_path):
        source, target = tmp_path / "a.txt", tmp_path / "b.txt"
        source.write_text("a\nb\n")
        target.write_text("A\nB\n")
        assert list(text2text_txt_iterator(source, target)) == [
            {"inputs": "a", "targets": "A"},
            {"inputs": "b", "targets": "B"},
        ]
        target.write_text("A\n")
        with pytest.raises(DataError, match="b.txt ends after 1 lines"):
            list(text2text_txt_iterator(source, target))

    def test_text_alone(self, tmp_path):
        (tmp_path / "a.txt").write_text("a\n b \n")
        assert list(text2self_txt_iterator(tmp_path / "a.txt")) == [
            {"targets": "a"},
            {"targets": "b"},
        ]

    def test_a_teachers_answers(self, tmp_path):
        paths = [tmp_path / name for name in "abc"]
        for path in paths:
            path.write_text(f"{path.name}\n")
        expected = [{"inputs": "a", "targets": "b", "dist_targets": "c"}]
        assert list(text2text_distill_iterator(*paths)) == expected

    def test_columns(self, tmp_path, warned):
        path = tmp_path / "a.txt"
        path.write_text(" a \t A\tB \n\nno tab\nnothing\t\n")
        assert list(text2text_txt_tab_iterator(path)) == [{"inputs": "a", "targets": "A\tB"}]
        assert warned == [f"{path}: left out 2 lines that lack one of the two texts"]

    def test_labels(self, tmp_path):
        texts, labels = tmp_path / "a.txt", tmp_path / "b.txt"
        texts.write_text("a\nb\n")
        labels.write_text("1\n0\n")
        numbers = [{"inputs": "a", "label": 1}, {"inputs": "b", "label": 0}]
        assert list(text2class_txt_iterator(texts, labels)) == numbers
        with pytest.raises(DataError, match="b.txt, line 1: found '1'; expected one of red, blue"):
            list(text2class_txt_iterator(texts, labels, ["red", "blue"]))
        labels.write_text("blue\nred\n")
        assert list(text2class_txt_iterator(texts, labels, ["red", "blue"])) == numbers
        with pytest.raises(DataError, match="b.txt, line 1: found 'blue'; expected a number"):
            list(text2class_txt_iterator(texts, labels))
