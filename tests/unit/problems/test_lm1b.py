from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry

FOLDER = "1-billion-word-language-modeling-benchmark-r13output"


@pytest.fixture(autouse=True)
def urls(archived: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts = {
        f"{FOLDER}/training-monolingual.tokenized.shuffled/news.en-{number:05d}-of-00100": text
        for number, text in enumerate([f"the cat {n} .\n" for n in range(1, 100)], 1)
    }
    heldout = f"{FOLDER}/heldout-monolingual.tokenized.shuffled/news.en.heldout"
    texts |= {f"{heldout}-{n:05d}-of-00050": f"the dog {n}\n" for n in range(2)}
    problem_class = type(registry.problem("languagemodel_lm1b32k"))
    assert f"http://www.statmt.org/lm-benchmark/{FOLDER}.tar.gz" == problem_class.URL
    monkeypatch.setattr(problem_class, "URL", archived(f"{FOLDER}.tar.gz", texts))
    words = tmp_path / "site" / "vocab-2016-09-10.txt"
    words.write_text("<S>\n</S>\nthe\ncat\n.\n7\n")
    assert problem_class.VOCABULARY_URL.endswith("/LM_LSTM_CNN/vocab-2016-09-10.txt")
    monkeypatch.setattr(problem_class, "VOCABULARY_URL", words.as_uri())


def test_samples(generate: Callable, tmp_path: Path) -> None:
    samples = generate("languagemodel_lm1b32k")
    assert len(samples["train"]) == 99
    assert samples["train"][0] == {"targets": "the cat UNK ."}
    assert samples["train"][6] == {"targets": "the cat 7 ."}
    # Of the held-out parts only the first.
    assert samples["eval"] == [{"targets": "the UNK UNK"}]
    assert (tmp_path / "vocab-2016-09-10.txt").exists()


def test_the_list_of_words_that_t2t_saved(generate: Callable, tmp_path: Path) -> None:
    (tmp_path / "vocab-2016-09-10.txt.en").write_text("dog\n")
    assert generate("languagemodel_lm1b8k")["eval"] == [{"targets": "UNK dog UNK"}]
    assert not (tmp_path / "vocab-2016-09-10.txt").exists()


def test_variants() -> None:
    names = {
        "languagemodel_lm1b32k": "vocab.languagemodel_lm1b32k.32768.subwords",
        "languagemodel_lm1b32k_packed": "vocab.languagemodel_lm1b32k.32768.subwords",
        "languagemodel_lm1b8k": "vocab.languagemodel_lm1b8k.8192.subwords",
        "languagemodel_lm1b8k_packed": "vocab.languagemodel_lm1b8k.8192.subwords",
    }
    assert {name: registry.problem(name).vocab_filename for name in names} == names
    packed = {"languagemodel_lm1b32k_packed": 256, "languagemodel_lm1b_characters_packed": 1024}
    assert {name: registry.problem(name).packed_length for name in packed} == packed
