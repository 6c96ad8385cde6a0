import hashlib
import importlib
from pathlib import Path

import pytest

from t2tlite.errors import DataError, DownloadError, OutputError
from t2tlite.sources import download

gutenberg = importlib.import_module("t2tlite.problems.gutenberg")

START = "*** START OF THE PROJECT GUTENBERG EBOOK POEMS ***"
END = "*** END OF THE PROJECT GUTENBERG EBOOK POEMS ***"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that replaces Project Gutenberg's site."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(gutenberg, "_URI", f"{folder.as_uri()}/{{name}}")
    monkeypatch.setattr(download, "RETRY_SECONDS", 0.0)
    return folder


def write(path: Path, body: str = "O Rose thou art sick.\nThe invisible worm,") -> str:
    raw = f"\ufeffTitle: Poems\r\n\r\n{START}\r\n{body}\r\n{END}\r\nLicence\r\n".encode()
    path.write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()


def test_first_download_is_recorded_and_insisted_on(site: Path, tmp_path: Path) -> None:
    checksum = write(site / "pg574.txt")
    text = gutenberg.book(tmp_path, 574)
    assert text.strip() == "O Rose thou art sick.\nThe invisible worm,"
    recorded = tmp_path / "gutenberg.sha256"
    assert recorded.read_text() == f"{checksum}  pg574.txt\n"
    assert gutenberg.book(tmp_path, 574) == text

    changed = write(tmp_path / "pg574.txt", "Another text")
    with pytest.raises(DownloadError, match=f"sha256 {changed}; expected {checksum}") as caught:
        gutenberg.book(tmp_path, 574)
    assert f"delete its line in {recorded}" in str(caught.value)
    recorded.unlink()
    assert gutenberg.book(tmp_path, 574).strip() == "Another text"


def test_checksum_put_there_beforehand(site: Path, tmp_path: Path) -> None:
    checksum = write(site / "pg574.txt")
    recorded = tmp_path / "gutenberg.sha256"
    recorded.write_text(f"{'0' * 64}  pg574.txt\n")
    with pytest.raises(DownloadError, match="expected 0000"):
        gutenberg.book(tmp_path, 574)
    assert not (tmp_path / "pg574.txt").exists()
    recorded.write_text(f"{checksum} *pg574.txt\n")
    assert gutenberg.book(tmp_path, 574)


def test_file_of_checksums_that_is_none(site: Path, tmp_path: Path) -> None:
    (tmp_path / "gutenberg.sha256").write_text("pg574.txt is fine\n")
    with pytest.raises(DataError, match="expected lines of sha256sum"):
        gutenberg.book(tmp_path, 574)


def test_checksums_that_cannot_be_recorded(site: Path, tmp_path: Path) -> None:
    write(tmp_path / "pg574.txt")
    # A link into nowhere can't be written to, even by root.
    (tmp_path / "gutenberg.sha256").symlink_to(tmp_path / "absent" / "file")
    with pytest.raises(OutputError, match="choose a --tmp_dir"):
        gutenberg.book(tmp_path, 574)


def test_no_network_says_what_to_put_where(site: Path, tmp_path: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        gutenberg.book(tmp_path, 574)
    message = str(caught.value)
    assert f"save it as {tmp_path}/pg574.txt" in message
    assert "pg26715.txt, pg30235.txt, pg35402.txt, pg574.txt, pg1304.txt" in message
    assert f"in {tmp_path}, or verse of your own: *.txt" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "missing"),
    [("<html>Are you a robot?</html>", "START"), (f"{START}\nO Rose thou", "END")],
)
def test_what_is_no_whole_book(content: str, missing: str, site: Path, tmp_path: Path) -> None:
    (site / "pg574.txt").write_text(content)
    with pytest.raises(DataError, match=rf"no line '\*\*\* {missing} OF .*delete it"):
        gutenberg.book(tmp_path, 574)
    assert not (tmp_path / "gutenberg.sha256").exists()


def test_poems() -> None:
    text = """
     12. THE SICK ROSE.

     [Illustration: A rose]

       O _Rose_ thou art sick.{3}
     The invisible worm,[1]             2
     That flies in the night

     Has found out thy bed
       Of crimson joy:
     W. BLAKE.


Contents of the
Second Part

This paragraph is prose, as one can see from the length of its lines, which
go on to the margin, and from the small letters that begin the most of
them.

     sick] ill.
     flies] rushes.

     And water'd heaven with their tears:
     Did he smile his work to see?

     alone
"""
    assert list(gutenberg.poems(text)) == [
        [
            ["O Rose thou art sick.", "The invisible worm,", "That flies in the night"],
            ["Has found out thy bed", "Of crimson joy:"],
        ],
        [["And water'd heaven with their tears:", "Did he smile his work to see?"]],
    ]


def test_the_books_themselves(shared: Path) -> None:
    folder = shared / "data" / "gutenberg_poetry"
    found, clean = set(), set()
    for number in gutenberg.BOOKS:
        text = (folder / "books_utf8" / f"{number}.txt").read_text(encoding="utf-8")
        for poem in gutenberg.poems(text):
            for stanza in poem:
                found |= set(zip(stanza, stanza[1:], strict=False))
    for split in ("train", "dev", "test"):
        for line in (folder / "clean" / f"{split}.tsv").read_text(encoding="utf-8").splitlines():
            clean.add(tuple(line.split("\t")))
    # A selection of the same books by other rules: 45,172 pairs.
    assert len(found & clean) > 0.97 * len(clean)
    assert len(found) < 1.05 * len(clean)
