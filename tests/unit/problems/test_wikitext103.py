from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.config import HParams

PARTS = {
    "train": " \n = Robert = \n \n Robert <unk> is a man . \n He is old . \n",
    "valid": " = Old = \n",
    "test": " A man . \n \n",
}


@pytest.fixture(autouse=True)
def urls(archived: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {f"wikitext-103/wiki.{part}.tokens": text for part, text in PARTS.items()}
    raw = {f"wikitext-103-raw/wiki.{part}.raw": "Ä b\n" for part in PARTS}
    for name, archive, packed in [
        ("languagemodel_wikitext103", "wikitext-103-v1.zip", texts),
        ("languagemodel_wikitext103_characters", "wikitext-103-raw-v1.zip", raw),
    ]:
        problem_class = type(registry.problem(name))
        assert problem_class.URL.endswith(f"/research.metamind.io/wikitext/{archive}")
        monkeypatch.setattr(problem_class, "URL", archived(archive, packed))


def test_words(generate: Callable) -> None:
    assert generate("languagemodel_wikitext103") == {
        "train": [
            {"targets": "= Robert ="},
            {"targets": "Robert <unk> is a man ."},
            {"targets": "He is old ."},
        ],
        "eval": [{"targets": "= Old ="}],
        "test": [{"targets": "A man ."}],
    }


def test_the_vocabulary_is_that_of_the_training_split(tmp_path: Path) -> None:
    problem = registry.problem("languagemodel_wikitext103")
    next(problem.generate_samples(str(tmp_path), str(tmp_path), "test"))
    vocabulary = (tmp_path / "vocab.languagemodel_wikitext103.tokens").read_text().split()
    expected = [".", "=", "Robert", "is", "<unk>", "He", "a", "man", "old"]
    assert vocabulary == ["<pad>", "<EOS>", *expected]


def test_characters(generate: Callable, tmp_path: Path) -> None:
    samples = generate("languagemodel_wikitext103_characters")
    assert samples == dict.fromkeys(("train", "eval", "test"), [{"targets": "Ä b"}])
    assert not list(tmp_path.glob("*.tokens"))


def test_long_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, length in [("l4k", 4096), ("l16k", 16_384)]:
        problem = registry.problem(f"languagemodel_wikitext103_{name}")
        # However short the hparams' examples are.
        assert problem.max_length(HParams(max_length=256)) == length
    monkeypatch.setattr(type(problem), "sequence_length", 10)
    samples = list(problem.generate_samples(str(tmp_path), str(tmp_path), "train"))
    assert samples == [
        {"targets": "= Robert = Robert <unk> is a man ."},
        {"targets": "He is old ."},
    ]
