import functools
import gzip
import http.server
import io
import logging
import random
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from t2tlite.errors import DataError, DownloadError
from t2tlite.sources import download
from t2tlite.sources.corpora import Corpus

EN = "One fish.\nTwo fish.\n\nRed fish.\n"
DE = "Ein Fisch.\nZwei Fische.\nNichts.\n Roter Fisch. \n"
PAIRS = [("One fish.", "Ein Fisch."), ("Two fish.", "Zwei Fische."), ("Red fish.", "Roter Fisch.")]


def pack(path: Path, files: dict[str, str | bytes]) -> Path:
    """Writes an archive of the kind that its name says."""
    contents = {name: x.encode() if isinstance(x, str) else x for name, x in files.items()}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name, content in contents.items():
                packed.writestr(name, content)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder and the address of the server on this machine that offers it."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "RETRY_SECONDS", 0.0)
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()
        thread.join()


def pairs(tmp_dir: Path, *entry: object, clean: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return list(Corpus(tmp_dir, entry).pairs(clean))


class TestWhereFilesComeFrom:
    @pytest.mark.parametrize("name", ["corpus.tgz", "corpus.tar.gz", "corpus.tar", "corpus.zip"])
    def test_an_archive_in_tmp_dir(self, tmp_path: Path, name: str) -> None:
        pack(tmp_path / name, {"deep/er/train.en": EN, "deep/er/train.de": DE, "more": "x"})
        files = ("deep/er/train.en", "deep/er/train.de")
        assert pairs(tmp_path, name, files) == PAIRS
        # T2T knows a local file by its base name, too.
        assert pairs(tmp_path, f"/elsewhere/{name}", files) == PAIRS
        assert sorted(item.name for item in tmp_path.iterdir()) == sorted([name, "deep", "more"])

    def test_an_archive_elsewhere(self, tmp_path: Path) -> None:
        place, tmp_dir = tmp_path / "place", tmp_path / "tmp"
        place.mkdir()
        tmp_dir.mkdir()
        archive = pack(place / "corpus.tgz", {"train.en": EN, "train.de": DE})
        assert pairs(tmp_dir, str(archive), ("train.en", "train.de")) == PAIRS
        assert sorted(item.name for item in tmp_dir.iterdir()) == ["train.de", "train.en"]

    @pytest.mark.parametrize("address", ["", "absent.tgz", "http://nowhere.invalid/absent.tgz"])
    def test_files_as_they_are(self, tmp_path: Path, address: str) -> None:
        (tmp_path / "train.en").write_text(EN)
        (tmp_path / "train.de").write_text(DE)
        assert pairs(tmp_path, address, ["train.en", "train.de"]) == PAIRS

    def test_a_download(self, site: tuple[Path, str], tmp_path: Path) -> None:
        folder, address = site
        pack(folder / "corpus.tgz", {"train.en": EN, "train.de": DE})
        tmp_dir = tmp_path / "tmp"
        assert pairs(tmp_dir, f"{address}/corpus.tgz", ("train.en", "train.de")) == PAIRS
        assert (tmp_dir / "corpus.tgz").exists()

    def test_a_download_that_is_the_file_itself(
        self, site: tuple[Path, str], tmp_path: Path
    ) -> None:
        folder, address = site
        (folder / "table.tsv.gz").write_bytes(gzip.compress(b"a\tA\nb\tB\n"))
        tmp_dir = tmp_path / "tmp"
        result = pairs(tmp_dir, f"{address}/table.tsv.gz", ("tsv", 0, 1, "table.tsv*"))
        assert result == [("a", "A"), ("b", "B")]

    def test_files_packed_one_by_one(self, tmp_path: Path) -> None:
        files = {"a/train.en.gz": gzip.compress(EN.encode()), "a/train.de.gz": DE.encode()}
        files["a/train.de.gz"] = gzip.compress(files["a/train.de.gz"])
        pack(tmp_path / "corpus.tar", files)
        assert pairs(tmp_path, "corpus.tar", ("a/train.en.gz", "a/train.de.gz")) == PAIRS
        # What T2T unpacked.
        (tmp_path / "a" / "train.en").write_text("other\n" * 4)
        result = pairs(tmp_path, "corpus.tar", ("a/train.en.gz", "a/train.de.gz"))
        assert {source for source, _ in result} == {"other"}

    def test_a_gzip_file_that_is_no_archive(self, tmp_path: Path) -> None:
        (tmp_path / "train.de").write_text(DE)
        (tmp_path / "train.en.gz").write_bytes(gzip.compress(EN.encode()))
        assert pairs(tmp_path, "train.en.gz", ("train.en", "train.de")) == PAIRS

    def test_what_is_there_stays(self, tmp_path: Path) -> None:
        pack(tmp_path / "corpus.tgz", {"x/train.en": "from the archive\n" * 4, "x/train.de": DE})
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "train.en").write_text(EN)
        assert pairs(tmp_path, "corpus.tgz", ("x/train.en", "x/train.de")) == PAIRS


class TestWhatIsMissing:
    def message(self, error: type[Exception], tmp_dir: Path, *entry: object) -> str:
        with pytest.raises(error) as caught:
            pairs(tmp_dir, *entry)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_files_and_archive(self, tmp_path: Path) -> None:
        (tmp_path / "train.en").write_text(EN)
        message = self.message(DataError, tmp_path, "x/corpus.tgz", ("train.en", "train.de"))
        assert message == (
            f"{tmp_path} has no train.de, nor corpus.tgz to unpack; put them there, or check "
            f"--tmp_dir"
        )

    def test_files_without_an_archive(self, tmp_path: Path) -> None:
        message = self.message(DataError, tmp_path, "", ("train.en", "train.de"))
        assert message.startswith(f"{tmp_path} has no train.en and train.de; put them there")

    def test_the_network(
        self, site: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = (f"{site[1]}/corpus.tgz", ("train.en", "train.de"))
        message = self.message(DownloadError, tmp_path, *entry)
        assert f"can't download {site[1]}/corpus.tgz" in message
        assert f"save it as {tmp_path}/corpus.tgz" in message
        assert message.endswith(f"(or put train.en and train.de into {tmp_path})")

    def test_a_file_in_the_archive(self, tmp_path: Path) -> None:
        pack(tmp_path / "corpus.tgz", {"train.en": EN})
        message = self.message(DataError, tmp_path, "corpus.tgz", ("train.en", "train.de"))
        assert "corpus.tgz holds no train.de; put train.de into" in message

    def test_an_archive_that_is_a_web_page(self, tmp_path: Path) -> None:
        (tmp_path / "corpus.tgz").write_text("<html>Sign in</html>")
        message = self.message(DownloadError, tmp_path, "corpus.tgz", ("train.en", "train.de"))
        assert "corpus.tgz can't be unpacked" in message
        assert message.endswith("delete it and get it again")

    def test_half_an_archive(self, tmp_path: Path) -> None:
        text = "".join(random.Random(0).choices("abcdefgh \n", k=50_000))
        archive = pack(tmp_path / "corpus.tgz", {"train.en": EN, "train.de": text})
        archive.write_bytes(archive.read_bytes()[:-5000])
        self.message(DownloadError, tmp_path, "corpus.tgz", ("train.en", "train.de"))
        # Neither what was whole nor a half one.
        assert [item.name for item in tmp_path.iterdir()] == ["corpus.tgz"]

    def test_an_archive_that_writes_elsewhere(self, tmp_path: Path) -> None:
        tmp_dir = tmp_path / "tmp"
        tmp_dir.mkdir()
        pack(tmp_dir / "corpus.tgz", {"../train.en": EN, "../train.de": DE})
        self.message(DownloadError, tmp_dir, "corpus.tgz", ("../train.en", "../train.de"))
        assert not (tmp_path / "train.en").exists()

    def test_half_a_gzip_file(self, tmp_path: Path) -> None:
        (tmp_path / "train.en.gz").write_bytes(gzip.compress(EN.encode())[:-9])
        (tmp_path / "train.de").write_text(DE)
        message = self.message(DataError, tmp_path, "", ("train.en.gz", "train.de"))
        assert "train.en.gz isn't a whole gzip file" in message

    @pytest.mark.parametrize(
        "entry",
        [
            ["corpus.tgz", "train.en"],
            ["corpus.tgz", ()],
            ["corpus.tgz", ("train.en", 3)],
            ["corpus.tgz", ("tsv", 0, 1)],
            ["corpus.tgz", ("tsv", "x", 1, "*.tsv")],
            ["corpus.tgz"],
            [None, ("train.en", "train.de")],
        ],
    )
    def test_an_entry_of_another_form(self, tmp_path: Path, entry: list[object]) -> None:
        with pytest.raises(DataError, match=r"in a list of data files; expected \[\"ADDRESS\", "):
            Corpus(tmp_path, entry)

    def test_a_third_file(self, tmp_path: Path) -> None:
        for name in "abc":
            (tmp_path / name).write_text("x\n")
        with pytest.raises(DataError, match="found 3 files; expected 2"):
            pairs(tmp_path, "", ("a", "b", "c"))


class TestFormats:
    def test_lines_that_do_not_pair(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("x\ny\n")
        (tmp_path / "b").write_text("x\n")
        with pytest.raises(DataError, match="b ends after 1 lines"):
            pairs(tmp_path, "", ("a", "b"))

    def test_tables(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        pack(
            tmp_path / "tables.tar",
            {
                "t/2train.gz": gzip.compress(b"id\t0.5\tdva\ttwo\n"),
                "t/1train.gz": gzip.compress(b"\t0.5\tjedna \t one\textra\nno tab\n\t\t\tnone\n"),
                "t/1test.gz": b"not read",
            },
        )
        entry = ("tables.tar", ("tsv", 3, 2, "t/*train.gz"))
        with caplog.at_level(logging.WARNING):
            assert pairs(tmp_path, *entry) == [("one", "jedna"), ("two", "dva")]
        assert "1train.gz: left out 2 lines that lack one of the two texts" in caplog.text
        # T2T leaves unpacked files beside the packed ones, and the pattern may match both.
        (tmp_path / "t" / "1train").write_text("\t\tsto\thundred\n")
        result = pairs(tmp_path, "tables.tar", ("tsv", 3, 2, "t/*train*"))
        assert result == [("hundred", "sto"), ("two", "dva")]

    def test_a_table_with_too_few_columns(self, tmp_path: Path) -> None:
        (tmp_path / "a.tsv").write_text("a\tb\tc\na\tb\n")
        with pytest.raises(DataError, match=r"a.tsv, line 2: found 2 columns; expected at least 3"):
            pairs(tmp_path, "", ("tsv", 0, 2, "*.tsv"))

    def test_sgm(self, tmp_path: Path) -> None:
        def sgm(kind: str, *texts: str) -> str:
            lines = "\n".join(f'<seg id="{n}">{text}</seg>' for n, text in enumerate(texts, 1))
            return f'<{kind} setid="x">\n<doc docid="d">\n<p>\n{lines}\n</p>\n</doc>\n</{kind}>\n'

        (tmp_path / "src.en.sgm").write_text(sgm("srcset", "One &amp; two.", "", " Three. "))
        (tmp_path / "ref.de.sgm").write_text(sgm("refset", "Eins.", "Nichts.", "Drei."))
        expected = [("One &amp; two.", "Eins."), ("Three.", "Drei.")]
        assert pairs(tmp_path, "", ("src.en.sgm", "ref.de.sgm")) == expected

    def test_a_translation_memory(self, tmp_path: Path) -> None:
        segments = [
            "Tom &amp; Jerry say &amp;quot;no&amp;quot;",
            "Tom & Jerry",
            "1 &lt; 2",
            "1 < 2",
        ]
        lines = [f"      <seg>{item}</seg>" for item in segments]
        text = "\n".join(["<tmx>", "<prop>x</prop>", *lines, "</tmx>"])
        (tmp_path / "en-de.tmx.gz").write_bytes(gzip.compress(text.encode()))
        entry = ("http://nowhere.invalid/en-de.tmx.gz", ("tmx", "en-de.tmx.gz"))
        assert pairs(tmp_path, *entry) == [
            ('Tom & Jerry say "no"', "Tom & Jerry"),
            ("1 < 2", "1 < 2"),
        ]
        (tmp_path / "half.tmx").write_text("<seg>one</seg>\n")
        with pytest.raises(DataError, match="half.tmx ends after the first half of a pair"):
            pairs(tmp_path, "", ("tmx", "half.tmx"))

    def test_cleaning_what_is_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("One fish.\nno sentence\n")
        (tmp_path / "b").write_text("Ein Fisch.\nkein Satz\n")
        assert len(pairs(tmp_path, "", ("a", "b"), clean=("tsv", "tmx"))) == 2
        assert pairs(tmp_path, "", ("a", "b"), clean=("txt",)) == [("One fish.", "Ein Fisch.")]


class TestSampledLines:
    def test_all_over_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("".join(f"{n:09d}\n" for n in range(1000)))
        lines = list(Corpus(tmp_path, ["", ["a"]]).sampled_lines(1000))
        # 10,000 bytes for a budget of 1000: every sixth line, until 1000 characters are taken.
        assert [int(line) for line in lines] == list(range(5, 6 * 112, 6))

    def test_all_of_a_small_file_and_both_sides(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("a\nb\n")
        (tmp_path / "b").write_text("A\nB\n")
        assert list(Corpus(tmp_path, ["", ("a", "b")]).sampled_lines(1e6)) == ["a", "b", "A", "B"]
        (tmp_path / "c.tsv").write_text("a\tA\nb\tB\n")
        corpus = Corpus(tmp_path, ["", ("tsv", 0, 1, "c.tsv")])
        assert list(corpus.sampled_lines(1e6)) == ["a", "A", "b", "B"]
