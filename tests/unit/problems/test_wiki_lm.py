import gzip
import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry

wiki_lm = importlib.import_module("t2tlite.problems.wiki_lm")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two languages packed on a site, two unpacked in tmp_dir."""
    site = tmp_path / "site"
    site.mkdir()
    assert wiki_lm._URL == "https://drive.google.com/uc?export=download&id={}"
    monkeypatch.setattr(wiki_lm, "_URL", f"{site.as_uri()}/{{}}")
    for files in (wiki_lm._EN, wiki_lm._DE, wiki_lm._FR, wiki_lm._RO):
        for split, (name, drive_id) in files.items():
            text = "".join(f"{name[:2]} {split} {n} {'x' * 1000}\n" for n in range(5))
            (site / drive_id).write_bytes(gzip.compress(text.encode()))
    (tmp_path / "enwiki_train.txt").write_text(f"Own text.\n{'y' * 4096}\n{'z' * 4000}\n")


def test_lines_are_joined(generate: Callable, tmp_path: Path) -> None:
    samples = generate("languagemodel_en_wiki32k")
    # A text of ten characters or fewer is left out, and so is a line that is too long.
    assert samples["train"] == [{"targets": "z" * 4000}]
    # Up to 4,096 characters.
    assert [text["targets"].count("eval") for text in samples["eval"]] == [4, 1]
    assert samples["test"][0]["targets"].startswith("en test 0 xx")
    names = sorted(path.name for path in tmp_path.glob("*wiki*"))
    assert names == ["enwiki_eval.txt.gz", "enwiki_test.txt.gz", "enwiki_train.txt"]


def test_shorter_examples(generate: Callable) -> None:
    shorter = generate("languagemodel_en_wiki64k_shorter")
    assert [text["targets"].count("eval") for text in shorter["eval"]] == [3, 2]
    vocab_filename = registry.problem("languagemodel_en_wiki64k_shorter").vocab_filename
    assert vocab_filename == "vocab.languagemodel_en_wiki64k.64000.subwords"


@pytest.mark.parametrize("language", ["de", "fr", "ro"])
def test_languages(language: str, generate: Callable) -> None:
    for size in ("32k", "64k"):
        samples = generate(f"languagemodel_{language}_wiki{size}")
        assert all(text["targets"].startswith(language) for text in samples["train"])


def test_four_languages(tmp_path: Path) -> None:
    made = registry.problem("languagemodel_de_en_fr_ro_wiki64k")
    texts = [text["targets"][:2] for text in made.generate_samples("", str(tmp_path), "eval")]
    assert texts == ["de", "fr", "en", "ro"] * 2


def test_generators_of_different_lengths() -> None:
    assert list(wiki_lm.mix_generators([iter("ab"), iter(""), iter("cdef")])) == list("acbdef")
