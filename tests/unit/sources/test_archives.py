"""Archives from elsewhere: unpacked whole and inside the folder, or refused in one line."""

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from t2tlite.errors import DownloadError, Error
from t2tlite.sources import archives
from t2tlite.sources.archives import gunzip_file, unpack

TEXT = "".join(random.Random(0).choices("the woods are lovely, dark and deep\n", k=1000)).encode()
FILES = {"train.en": TEXT, "a/train.de": TEXT[::-1], "a/b/empty": b""}
KINDS = ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz", "zip"]


def tar_file(members, mode="w") -> bytes:
    """Returns a tar file; a member is a name and content, or a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as packed:
        for member in members:
            header, content = member if isinstance(member, tuple) else (member, b"")
            if isinstance(header, str):
                header = tarfile.TarInfo(header)
                header.size = len(content)
            packed.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def zip_file(members) -> bytes:
    """Returns a zip file; a member is a name or ZipInfo, and content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return buffer.getvalue()


def archive_of(kind: str) -> bytes:
    if kind == "zip":
        return zip_file(FILES.items())
    suffix = {"tgz": "gz"}.get(kind, kind.removeprefix("tar").removeprefix("."))
    return tar_file(FILES.items(), f"w:{suffix}")


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A folder whose neighbours are watched: nothing may appear or change outside it."""
    (tmp_path / "outside").write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def refuse(inside: Path, name: str, raw: bytes, match: str) -> None:
    """Checks that an archive is refused in one line, and leaves nothing."""
    archive = inside.parent / name
    archive.write_bytes(raw)
    with pytest.raises(DownloadError, match=match) as caught:
        unpack(archive, inside)
    assert "\n" not in str(caught.value)
    assert str(archive) in str(caught.value)
    assert list(inside.iterdir()) == []
    assert sorted(os.listdir(inside.parent)) == sorted(["folder", "outside", name])
    assert (inside.parent / "outside").read_text() == "mine"
    archive.unlink()


def content_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("kind", KINDS)
def test_unpacks_what_is_missing(inside: Path, kind: str) -> None:
    archive = inside.parent / f"x.{kind}"
    archive.write_bytes(archive_of(kind))
    (inside / "a").mkdir()
    (inside / "a" / "train.de").write_bytes(b"mine")
    unpack(archive, inside)
    assert content_of(inside) == {**FILES, "a/train.de": b"mine"}


def test_what_a_killed_run_left_is_removed(inside: Path) -> None:
    (inside / ".x.tar.unpacked" / "half").mkdir(parents=True)
    (inside / ".x.tar.lock").touch()
    (inside.parent / "x.tar").write_bytes(archive_of("tar"))
    unpack(inside.parent / "x.tar", inside)
    assert sorted(os.listdir(inside)) == ["a", "train.en"]


def test_a_tar_file_that_holds_a_zip_file_is_a_tar_file(inside: Path) -> None:
    inner = zip_file([("inner.txt", b"x")])
    (inside.parent / "x.tar").write_bytes(tar_file([("inner.zip", inner)]))
    unpack(inside.parent / "x.tar", inside)
    assert content_of(inside) == {"inner.zip": inner}


def test_folders_long_names_and_repeated_members(inside: Path) -> None:
    folder = tarfile.TarInfo("./empty")
    folder.type = tarfile.DIRTYPE
    long = "/".join(["n" * 200] * 3)
    members = [folder, (long, b"1"), ("./again", b"old"), ("again", b"new")]
    (inside.parent / "x.tar").write_bytes(tar_file(members))
    unpack(inside.parent / "x.tar", inside)
    assert content_of(inside) == {long: b"1", "again": b"new"}
    assert (inside / "empty").is_dir()


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits(inside: Path, kind: str) -> None:
    """Every bit of the checksums at the end, and a sample of the others."""
    raw = archive_of(kind)
    draw = random.Random(1)
    bits = [*range(len(raw) * 8 - 100, len(raw) * 8), *draw.sample(range(len(raw) * 8), 100)]
    if kind == "tar":
        # A tar file has no checksum of its content.
        bits = [bit for bit in bits if bit < tarfile.BLOCKSIZE * 8]
    refused = 0
    for bit in bits:
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        refused += is_refused(inside, f"x.{kind}", bytes(damaged))
    assert refused > len(bits) / 3


def is_refused(inside: Path, name: str, raw: bytes) -> bool:
    """Unpacks an archive: it holds the right content (names may differ), or is refused."""
    archive = inside.parent / name
    archive.write_bytes(raw)
    try:
        unpack(archive, inside)
    except Error as error:
        assert "\n" not in str(error)
        assert list(inside.iterdir()) == []
        return True
    found = content_of(inside)
    if not name.endswith("tar"):
        assert sorted(found.values()) == sorted(FILES.values())
    for child in found:
        (inside / child).unlink()
    for child in sorted(inside.rglob("*"), reverse=True):
        child.rmdir()
    return False


def test_the_checksum_at_the_end_of_a_tgz(inside: Path) -> None:
    raw = bytearray(archive_of("tgz"))
    raw[-8] ^= 1
    refuse(inside, "x.tgz", bytes(raw), r"can't be unpacked \(CRC check failed")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.0, 0.02, 0.3, 0.6, 0.95])
def test_truncated(inside: Path, kind: str, part: float) -> None:
    raw = tar_file(FILES.items()).rstrip(b"\0") if kind == "tar" else archive_of(kind)
    refuse(inside, f"x.{kind}", raw[: int(len(raw) * part)], "delete it and get it again")


def test_a_tar_file_that_ends_after_a_member_or_has_a_damaged_header(inside: Path) -> None:
    """`tarfile` takes both for the end, and so loses the rest."""
    raw = bytearray(tar_file([("a", b"1"), ("b", b"2")]))
    refuse(inside, "x.tar", bytes(raw[: 2 * tarfile.BLOCKSIZE]), "cut off")
    raw[2 * tarfile.BLOCKSIZE] ^= 1
    refuse(inside, "x.tar", bytes(raw), "damaged")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"text",
        gzip.compress(TEXT, mtime=0),
        bz2.compress(TEXT),
        lzma.compress(TEXT),
        b"\0" * 512,
    ],
)
def test_another_kind_of_file(inside: Path, raw: bytes) -> None:
    refuse(inside, "x.tgz", raw, "found no tar, zip or gzip file")


def test_a_missing_archive(inside: Path) -> None:
    with pytest.raises(DownloadError, match="x.tgz can't be unpacked .*No such file"):
        unpack(inside / "x.tgz", inside)


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/tmp/out", "a/..", "//out", ".."])
def test_names_that_lead_out(inside: Path, name: str) -> None:
    message = "isn.t a path inside the folder; expected an archive of files and folders"
    refuse(inside, "x.tar", tar_file([("a/ok", b""), (name, b"x")]), message)
    refuse(inside, "x.zip", zip_file([("a/ok", b""), (name, b"x")]), message)


@pytest.mark.parametrize("name", ["n" * 256, "/".join(["n" * 100] * 11)])
def test_names_that_are_too_long(inside: Path, name: str) -> None:
    refuse(inside, "x.tar", tar_file([(name, b"x")]), "has a name that is too long")


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_file(inside: Path, kind: bytes, format_: int) -> None:
    header = tarfile.TarInfo("link")
    header.type, header.linkname = kind, "train.en"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as packed:
        packed.addfile(tarfile.TarInfo("train.en"))
        packed.addfile(header)
    refuse(inside, "x.tar", buffer.getvalue(), "'link' is a link, a device or a sparse file")


def test_a_link_out_of_the_folder_by_long_names(inside: Path) -> None:
    """CVE-2025-4517: the path is too long for realpath, so that tarfile's filter lets it pass."""
    members: list[tarfile.TarInfo | tuple[str, bytes]] = []
    path = ""
    for letter in "abcdefghijklmnop":
        folder = tarfile.TarInfo(f"{path}{'d' * 247}")
        folder.type = tarfile.DIRTYPE
        link = tarfile.TarInfo(f"{path}{letter}")
        link.type, link.linkname = tarfile.SYMTYPE, "d" * 247
        members += [folder, link]
        path += f"{letter}/"
    escape = tarfile.TarInfo("escape")
    escape.type, escape.linkname = tarfile.SYMTYPE, f"{path}{'l' * 254}/../../outside"
    hard = tarfile.TarInfo("hard")
    hard.type, hard.linkname = tarfile.LNKTYPE, "escape"
    members += [escape, hard, ("hard", b"overwritten")]
    refuse(inside, "x.tar", tar_file(members), "is a link")


def test_a_zip_file_whose_list_is_damaged(inside: Path) -> None:
    """`zipfile` skips the entries after a wrong length."""
    raw = bytearray(zip_file([("a", b"1"), ("b", b"2"), ("c", b"3")]))
    raw[raw.index(b"PK\1\2") + 32] = 47
    refuse(inside, "x.zip", bytes(raw), r"found 2 of 3 entries\); delete it and get it again")


def test_a_link_in_a_zip_file(inside: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    refuse(inside, "x.zip", zip_file([(link, b"../outside")]), "'link' is a link or a device")


def test_encrypted_and_unknown_compression(inside: Path) -> None:
    raw = zip_file([("a", b"text")])
    central = raw.index(b"PK\1\2")
    for offset, value, message in [(8, 1, "is encrypted"), (10, 77, "compression method")]:
        changed = bytearray(raw)
        changed[central + offset] = value
        refuse(inside, "x.zip", bytes(changed), message)


def test_a_name_that_is_a_file_and_a_folder(inside: Path) -> None:
    for members in ([("a", b"1"), ("a/b", b"2")], [("a/b", b"2"), ("a", b"1")]):
        refuse(inside, "x.tar", tar_file(members), "as a file and as a folder")
        refuse(inside, "x.zip", zip_file(members), "as a file and as a folder")


class TestSize:
    BOMB = b"\0" * 30_000_000

    @pytest.mark.parametrize("kind", ["tgz", "zip", "txt.gz", "tar.xz"])
    def test_a_bomb(self, inside: Path, kind: str) -> None:
        raw = {
            "tgz": lambda: tar_file([("a", self.BOMB)], "w:gz"),
            "tar.xz": lambda: tar_file([("a", self.BOMB)], "w:xz"),
            "zip": lambda: zip_file([(f"a{i}", self.BOMB[:3_000_000]) for i in range(10)]),
            "txt.gz": lambda: gzip.compress(self.BOMB),
        }[kind]()
        assert len(raw) < 100_000
        refuse(inside, f"x.{kind}", raw, r"unpacks to more than 10,000,000; .*max_bytes=")
        (inside.parent / f"x.{kind}").write_bytes(raw)
        unpack(inside.parent / f"x.{kind}", inside, max_bytes=31_000_000)
        assert sum(map(len, content_of(inside).values())) == 30_000_000

    def test_a_bomb_of_empty_files(self, inside: Path) -> None:
        block = tar_file([("a", b"")])[: tarfile.BLOCKSIZE]
        refuse(inside, "x.tgz", gzip.compress(block * 30_000), "unpacks to more than 10,000,000")

    def test_gunzip(self, tmp_path: Path) -> None:
        (tmp_path / "a.gz").write_bytes(gzip.compress(self.BOMB))
        with pytest.raises(DownloadError, match="unpacks to more than 10,000,000"):
            gunzip_file(tmp_path / "a.gz", tmp_path / "a")
        assert os.listdir(tmp_path) == ["a.gz"]

    def test_the_whole_size_and_the_ratio(
        self, inside: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archives, "ALWAYS_ALLOWED_BYTES", 0)
        monkeypatch.setattr(archives, "MAX_BYTES", len(TEXT) - 1)
        refuse(inside, "x.zip", zip_file([("a", TEXT)]), f"more than {len(TEXT) - 1:,};")
        monkeypatch.setattr(archives, "MAX_BYTES", len(TEXT))
        (inside.parent / "x.zip").write_bytes(zip_file([("a", TEXT)]))
        unpack(inside.parent / "x.zip", inside)
        monkeypatch.setattr(archives, "MAX_RATIO", 1)
        (inside / "a").unlink()
        refuse(inside, "x.zip", zip_file([("a", TEXT)]), "unpacks to more than")

    def test_a_sparse_file_without_end(self, inside: Path) -> None:
        header = tarfile.TarInfo("a")
        header.pax_headers = {"GNU.sparse.size": str(2**60), "GNU.sparse.map": f"{2**60},0"}
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as packed:
            packed.addfile(header)
        refuse(inside, "x.tar", buffer.getvalue(), "sparse file|can't be unpacked")

    def test_headers_that_take_memory_or_time(self, inside: Path) -> None:
        header = tarfile.TarInfo("././@PaxHeader")
        header.type, header.size = tarfile.XHDTYPE, 2**14
        raw = tar_file([(header, b"1" * 2**14), ("a", b"")])  # type: ignore[list-item]
        refuse(inside, "x.tar", raw, "a header of 16384 bytes")


@pytest.mark.parametrize("kind", KINDS)
@seed(1)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes(inside: Path, kind: str, data: st.DataObject) -> None:
    """Damaged in several places, cut, or nonsense: right content or one line, never a traceback."""
    raw = bytearray(archive_of(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        stop = start + data.draw(st.integers(0, 30))
        raw[start:stop] = data.draw(st.binary(max_size=30))
    archive = inside.parent / f"x.{kind}"
    archive.write_bytes(raw)
    outside = set(os.listdir(inside.parent))
    try:
        unpack(archive, inside)
    except Error as error:
        assert "\n" not in str(error)
    assert set(os.listdir(inside.parent)) == outside


@seed(1)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "a/b", "b", "../a", "./a", "/a", "\udcff", "a\n", "", "."]),
            st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, b"?", b"S"]),
            st.binary(max_size=5),
        ),
        max_size=4,
    )
)
def test_any_members(inside: Path, members: list[tuple[str, bytes, bytes]]) -> None:
    headers = []
    for name, kind, content in members:
        header = tarfile.TarInfo(name)
        header.type, header.size = kind, len(content)
        headers.append((header, content))
    (inside.parent / "x.tar").write_bytes(tar_file(headers))
    try:
        unpack(inside.parent / "x.tar", inside)
    except Error as error:
        assert "\n" not in str(error)
    assert set(os.listdir(inside.parent)) == {"folder", "outside", "x.tar"}
