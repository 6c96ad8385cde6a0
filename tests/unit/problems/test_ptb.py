from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.data import manifest
from t2tlite.errors import DataError, DownloadError

TRAIN = " the cat sat \n the <unk> sat on N mats \n"
VALID = " the mats sat \n"


@pytest.fixture(autouse=True)
def url(archived: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    data = "simple-examples/data"
    texts = {
        f"{data}/ptb.train.txt": TRAIN,
        f"{data}/ptb.valid.txt": VALID,
        f"{data}/ptb.char.train.txt": " t h e _ c a t \n",
        f"{data}/ptb.char.valid.txt": " m a t \n",
        "simple-examples/models/train": "not ours",
    }
    problem_class = type(registry.problem("languagemodel_ptb10k"))
    assert problem_class.URL == "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz"
    monkeypatch.setattr(problem_class, "URL", archived("simple-examples.tgz", texts))


def test_words(tmp_path: Path) -> None:
    problem = registry.problem("languagemodel_ptb10k")
    (tmp_path / "data").mkdir()
    problem.generate_data(str(tmp_path / "data"), str(tmp_path))
    vocabulary = (tmp_path / "data" / "vocab.lmptb.10000").read_text().split()
    # The most frequent words first, equally frequent ones in order.
    assert vocabulary == ["<pad>", "<EOS>", "sat", "the", "<unk>", "N", "cat", "mats", "on"]
    made = manifest.read(str(tmp_path / "data"), "languagemodel_ptb10k")
    assert made is not None
    assert {split: one.examples for split, one in made.splits.items()} == {"train": 2, "eval": 1}
    # Words and the end of the line.
    assert made.splits["eval"].tokens == {"targets": 4}


def test_characters(generate: Callable) -> None:
    samples = generate("languagemodel_ptb_characters")
    assert samples == {
        "train": [{"targets": "t h e _ c a t"}],
        "eval": [{"targets": "m a t"}],
    }


def test_the_vocabulary_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "simple-examples/data").mkdir(parents=True)
    words = [f"w{number}" for number in range(12_000)]
    text = " ".join(words + words[:9_000] + words[5:6]) + "\n"
    for name in ("train", "valid"):
        (tmp_path / f"simple-examples/data/ptb.{name}.txt").write_text(text)
    problem = registry.problem("languagemodel_ptb10k")
    next(problem.generate_samples(str(tmp_path), str(tmp_path), "train"))
    vocabulary = (tmp_path / "vocab.lmptb.10000").read_text().split()
    assert len(vocabulary) == 10_001 and vocabulary[:3] == ["<pad>", "<EOS>", "w5"]
    assert "w8999" in vocabulary


def test_an_archive_without_the_files(
    archived: Callable, generate: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem_class = type(registry.problem("languagemodel_ptb10k"))
    monkeypatch.setattr(problem_class, "URL", archived("other.tgz", {"readme": "x"}))
    with pytest.raises(DataError, match=r"holds no simple-examples/data/ptb.train.txt and "):
        generate("languagemodel_ptb10k")


def test_no_network(generate: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    problem_class = type(registry.problem("languagemodel_ptb10k"))
    monkeypatch.setattr(problem_class, "URL", (tmp_path / "gone.tgz").as_uri())
    with pytest.raises(DownloadError, match=r"\(or put simple-examples/data/ptb.train.txt and "):
        generate("languagemodel_ptb10k")
