import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.data import manifest
from t2tlite.errors import DataError, DownloadError

REVIEWS = {
    "train/pos": ["Good film.", " Very good!<br />See it. "],
    "train/neg": ["Bad film.", "Don't."],
    "train/unsup": ["Not rated."],
    "test/pos": ["Gut."],
    "test/neg": ["Schlecht, für mich."],
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive in the form of Stanford's."""
    site = tmp_path / "site"
    for part, reviews in REVIEWS.items():
        for number, review in enumerate(reviews):
            path = site / "aclImdb" / part / f"{number}_7.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(review, encoding="utf-8")
    made = site / "aclImdb_v1.tar.gz"
    with tarfile.open(made, "w:gz") as tar:
        tar.add(site / "aclImdb", "aclImdb")
    return made


@pytest.fixture(autouse=True)
def address(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem_class = type(registry.problem("sentiment_imdb"))
    assert problem_class.URL == "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
    monkeypatch.setattr(problem_class, "URL", archive.as_uri())


def test_samples(generate: Callable, tmp_path: Path) -> None:
    assert generate("sentiment_imdb") == {
        "train": [
            {"inputs": "Good film.", "label": 1},
            {"inputs": "Very good!<br />See it.", "label": 1},
            {"inputs": "Bad film.", "label": 0},
            {"inputs": "Don't.", "label": 0},
        ],
        "eval": [
            {"inputs": "Gut.", "label": 1},
            {"inputs": "Schlecht, für mich.", "label": 0},
        ],
    }
    # Once unpacked, nothing else is needed.
    (tmp_path / "aclImdb_v1.tar.gz").unlink()
    assert len(generate("sentiment_imdb")["train"]) == 4
    problem = registry.problem("sentiment_imdb")
    documents = problem.doc_generator(tmp_path / "aclImdb", "test")
    assert list(documents) == ["Gut.", "Schlecht, für mich."]


def test_data_of_it(archive: Path, tmp_path: Path) -> None:
    for part in ("train/pos", "train/neg"):
        for number in range(10, 20):
            path = archive.parent / "aclImdb" / part / f"{number}_1.txt"
            path.write_text(f"{part} {number}")
    problem = registry.problem("sentiment_imdb")
    # The folder is as good as the archive.
    problem.generate_data(str(tmp_path), str(archive.parent))
    made = manifest.read(str(tmp_path), "sentiment_imdb")
    assert made is not None
    assert {split: one.examples for split, one in made.splits.items()} == {"train": 24, "eval": 2}
    assert list(made.vocabularies) == ["vocab.sentiment_imdb.8192.model"]
    encoders = problem.get_feature_encoders(str(tmp_path))
    assert [encoders["targets"].decode([label]) for label in (0, 1)] == ["neg", "pos"]


def test_no_network(archive: Path, tmp_path: Path, generate: Callable) -> None:
    archive.unlink()
    with pytest.raises(DownloadError, match=rf"save it as {tmp_path}/aclImdb_v1.tar.gz"):
        generate("sentiment_imdb")


def test_a_folder_without_reviews(tmp_path: Path, generate: Callable) -> None:
    (tmp_path / "aclImdb").mkdir()
    with pytest.raises(DataError, match="aclImdb/train/pos has no reviews; delete "):
        generate("sentiment_imdb")


def test_half_an_archive_leaves_nothing(archive: Path, tmp_path: Path, generate: Callable) -> None:
    whole = archive.read_bytes()
    (tmp_path / "aclImdb_v1.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DownloadError, match="can't be unpacked"):
        generate("sentiment_imdb")
    assert not (tmp_path / "aclImdb").exists()
