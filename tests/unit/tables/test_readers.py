"""Rows of text files of each format, and what is wrong with them."""

import bz2
import gzip
import lzma

import pyarrow
import pytest

from t2tlite.errors import DataError
from t2tlite.tables.parts import Part, format_of
from t2tlite.tables.readers import read


def rows(tmp_path, name, content, *columns, delimiter=""):
    path = tmp_path / name
    path.write_bytes(content)
    part = Part((str(path),), format_of(name), "train")
    return list(read(part, columns, delimiter))


def good(found):
    return [(row.number, list(row.cells)) for row in found if row.cells is not None]


def bad(found):
    return [(row.number, row.reason, row.problem) for row in found if row.cells is None]


CSV = b'id,a,b\r\n1,x,"y ""quoted"",\nsecond line"\r\n\r\n2,caf\xc3\xa9,z\n'
CSV_ROWS = [(2, ["x", 'y "quoted",\nsecond line']), (5, ["café", "z"])]


@pytest.mark.parametrize("content", [CSV, b"\xef\xbb\xbf" + CSV, CSV[:-1]])
def test_csv(tmp_path, content):
    assert good(rows(tmp_path, "x.csv", content, "a", "b")) == CSV_ROWS


def test_csv_with_another_delimiter_and_without_names(tmp_path):
    assert good(rows(tmp_path, "x.csv", b"p;q\nr;s", "1", "0", delimiter=";")) == [
        (1, ["q", "p"]),
        (2, ["s", "r"]),
    ]


def test_quotes_are_text_in_tsv_and_only_a_line_feed_ends_a_line(tmp_path):
    content = 'a\tb\n"x\ty"\r\np\x0bq\u2028\tr\rs\n'.encode()
    assert good(rows(tmp_path, "x.tsv", content, "b", "a")) == [
        (2, ['y"', '"x']),
        (3, ["r\rs", "p\x0bq\u2028"]),
    ]


def test_json_lines(tmp_path):
    content = b'\xef\xbb\xbf{"t": {"en": "a", "de": ["b", 2]}, "x.y": 1}\r\n\n{"t": null}\n[1, 2]\n'
    found = rows(tmp_path, "x.jsonl", content, "t.en", "t.de.1", "x.y")
    assert good(found)[0] == (1, ["a", 2, 1])
    assert [row.number for row in found] == [1, 3, 4]


def test_texts_side_by_side(tmp_path):
    (tmp_path / "x.en").write_bytes(b"one\r\ntwo\n")
    (tmp_path / "x.de.gz").write_bytes(gzip.compress(b"eins\nzwei"))
    part = Part((str(tmp_path / "x.en"), str(tmp_path / "x.de.gz")), "text", "train")
    expected = [(1, ["eins", "one"]), (2, ["zwei", "two"])]
    assert good(read(part, ["de", "en"])) == good(read(part, ["1", "0"])) == expected
    with pytest.raises(DataError, match=r"has no column fr; it has 0, 1, en, de: .* with a plus"):
        list(read(part, ["fr", "en"]))
    (tmp_path / "x.en").write_bytes(b"one\n")
    with pytest.raises(DataError, match=r"x.en ends after 1 lines"):
        list(read(part, ["0", "1"]))


def zst(content):
    return pyarrow.compress(content, "zstd", asbytes=True)


@pytest.mark.parametrize(
    ("ending", "pack"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zst)],
)
def test_packed_files_whole_and_cut(tmp_path, ending, pack):
    packed = pack(CSV)
    assert good(rows(tmp_path, f"x.csv.{ending}", packed, "a", "b")) == CSV_ROWS
    assert good(rows(tmp_path, f"x.csv.{ending}", packed + packed, "a", "b"))[:2] == CSV_ROWS
    for damaged in (packed[:-2], packed[: len(packed) // 2], b"nothing like it" * 9):
        with pytest.raises(DataError, match=rf"x.csv.{ending} isn't a whole {ending} file \("):
            rows(tmp_path, f"x.csv.{ending}", damaged, "a", "b")


def test_rows_that_cannot_be_read_have_a_line_and_a_reason(tmp_path):
    content = b'a,b\n"1\n1",caf\xe9\n2,x,y\n3\n4,\xf0\x9f\n5,ok\n'
    found = rows(tmp_path, "x.csv", content, "b")
    assert good(found) == [(7, ["ok"])]
    assert bad(found) == [
        (2, "not UTF-8", "byte 0xe9 is not UTF-8"),
        (4, "unreadable", "found 3 cells; expected 2, as in the first line"),
        (5, "unreadable", "found 1 cells; expected 2, as in the first line"),
        (6, "not UTF-8", "byte 0xf0 is not UTF-8"),
    ]
    content = b'{"a": "1"}\n{"a": \n"text"\n{"a": "\xff"}\n{"a": "\\ud800"}\n'
    found = rows(tmp_path, "x.jsonl", content, "a")
    assert good(found) == [(1, ["1"])]
    assert [(number, reason) for number, reason, _ in bad(found)] == [
        *[(2, "unreadable"), (3, "unreadable"), (4, "not UTF-8"), (5, "not UTF-8")]
    ]


def test_an_unwanted_column_may_have_any_bytes(tmp_path):
    assert good(rows(tmp_path, "x.csv", b"a,b\n\xff,x\n", "b")) == [(2, ["x"])]


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.jsonl", "x.txt", "x.csv.gz"])
def test_an_empty_file_has_no_rows(tmp_path, name):
    assert rows(tmp_path, name, b"", "0") == []


@pytest.mark.parametrize(
    ("name", "content", "columns", "message"),
    [
        ("x.csv", b"q;a\n1;2\n", ["q"], r"no column q; it has q;a: .*--csv_delimiter=';'"),
        ("x.csv", b"q,a\n", ["question", "a"], r"no column question; it has q, a: name others"),
        ("x.csv", b"q,a\n", ["0", "2"], r"no column 0 and no 2; it has 0, 1: count positions"),
        ("x.csv", b"q,a\n", ["0", "a"], r"0, a are names and positions"),
        ("x.csv", b"q,q\n1,2\n", ["q"], r"several columns 'q'; rename all but one"),
        ("x.csv", b'a,b\n1,2\n3,"' + b"x" * 2**24 + b"y", ["a"], r"line 3: .* mark not closed"),
        ("x.tsv", b"a\tb\n", ["c"], r"no column c; it has a, b"),
        ("x.jsonl", b'{"a": 1, "b": 2}\n', ["a", "c.d"], r"no column c\.d; it has a, b"),
        ("x.json", b'[\n{"a": 1}]\n', ["a"], r"is one JSON list; expected .* jq -c"),
        ("x.json", b'[{"a": 1}]\n', ["a"], r"is one JSON list"),
        ("x.csv", "a,b\n".encode("utf-16"), ["a"], r"is UTF-16; convert it: iconv"),
    ],
)
def test_an_error_says_what_is_there(tmp_path, name, content, columns, message):
    with pytest.raises(DataError, match=message):
        rows(tmp_path, name, content, *columns)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"x.csv doesn't exist; put it there"):
        list(read(Part((str(tmp_path / "x.csv"),), "csv", "train"), ["a"]))
