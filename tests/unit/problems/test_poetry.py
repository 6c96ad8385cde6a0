import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.errors import DataError, DownloadError

gutenberg = importlib.import_module("t2tlite.problems.gutenberg")


def verse(first: int, last: int) -> str:
    """Returns poems of three lines with different letters."""
    return "\n\n".join(
        f"  Verse {n}, the first;\n  Verse {n}, the second;\nVerse {n}, the third."
        for n in range(first, last)
    )


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small books with the names of downloads."""
    books = {574: "Poems", 1304: "More Poems"}
    monkeypatch.setattr(gutenberg, "BOOKS", books)
    for number in books:
        poems = [
            f"POEM THE LAST\n\nThe {name} of book {word},\nAnd more of {name}:"
            for word in ("one" if number == 574 else "two",)
            for name in ("rose", "lily", "daisy", "tulip")
        ]
        (tmp_path / f"pg{number}.txt").write_text(
            "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n"
            + "\n\n\n".join(poems)
            + "\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n"
        )


def test_own_poems(generate: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(verse(0, 60))
    (tmp_path / "b.txt").write_text(verse(60, 100) + "\n\nA heading of one line\n\n")
    samples = generate("poetry_line_problem")
    assert {split: len(many) for split, many in samples.items()} == {
        "train": 180,
        "eval": 10,
        "test": 10,
    }
    poems = {
        split: {one["inputs"].split(",")[0] for one in many} for split, many in samples.items()
    }
    assert sum(map(len, poems.values())) == 100, "a poem is in two splits"
    for one in samples["train"]:
        assert one["inputs"].split(",")[0] == one["targets"].split(",")[0]
    assert {"inputs": "Verse 7, the first;", "targets": "Verse 7, the second;"} in sum(
        samples.values(), []
    )


def test_own_poems_win_over_downloaded_ones(
    generate: Callable, tmp_path: Path, downloaded: None
) -> None:
    (tmp_path / "a.txt").write_text(verse(0, 30))
    texts = {one["inputs"] for many in generate("poetry_line_problem").values() for one in many}
    assert len(texts) == 60
    assert all(text.startswith("Verse") for text in texts)


def test_downloaded_poems(generate: Callable, downloaded: None, tmp_path: Path) -> None:
    samples = generate("poetry_line_problem")
    assert {split: len(many) for split, many in samples.items()} == {
        "train": 6,
        "eval": 1,
        "test": 1,
    }
    assert {"inputs": "The lily of book two,", "targets": "And more of lily:"} in sum(
        samples.values(), []
    )
    assert (tmp_path / "gutenberg.sha256").read_text().count("\n") == 2


def test_no_pair_of_evaluation_is_in_training(generate: Callable, tmp_path: Path) -> None:
    refrain = "\nO hey ho, the wind!\nAnd the rain."
    poems = [poem + refrain for poem in verse(0, 40).split("\n\n")]
    (tmp_path / "a.txt").write_text("\n\n".join(poems))
    samples = generate("poetry_line_problem")
    split_of = [
        split
        for split, many in samples.items()
        for one in many
        if one["targets"] == "And the rain."
    ]
    assert split_of == ["eval"]


def test_one_poem_is_too_little(generate: Callable, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Line\n" * 50)
    with pytest.raises(DataError, match=r"found 1 poem\(s\); expected 3 or more"):
        generate("poetry_line_problem")


def test_no_poems_and_no_network(
    generate: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gutenberg, "_URI", (tmp_path / "absent").as_uri() + "/{name}")
    with pytest.raises(DownloadError, match=r"or verse of your own: \*\.txt"):
        generate("poetry_line_problem")


def test_size_of_the_vocabulary() -> None:
    assert registry.problem("poetry_line_problem").approx_vocab_size == 8192
