import json
from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.config import HParams
from t2tlite.data import manifest
from t2tlite.errors import DataError


def question(text: str, *answers: str) -> dict:
    return {
        "id": text,
        "question": f" {text}",
        "answers": [{"text": f"{one} ", "answer_start": 0} for one in answers],
    }


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    """The two files of SQuAD, as short ones."""
    for name, word in {"train": "river", "dev": "hill"}.items():
        asked = [question(f"which {word} {n} ?", f"the {word} {n}", "other") for n in range(30)]
        paragraph = {
            "context": f"  It is the {word}. ",
            "qas": [*asked, question("without answer ?")],
        }
        squad = {"version": "1.1", "data": [{"title": word, "paragraphs": [paragraph]}]}
        (tmp_path / f"{name}-v1.1.json").write_text(json.dumps(squad))


def test_samples(generate: Callable) -> None:
    samples = generate("squad")
    assert len(samples["train"]) == len(samples["eval"]) == 30
    assert samples["eval"][1] == {
        "inputs": "which hill 1 ?",
        "targets": "the hill 1",
        "context": "It is the hill.",
    }
    assert generate("squad_text2text")["eval"][1] == {
        "inputs": "squad context: It is the hill. question: which hill 1 ?",
        "targets": "the hill 1",
    }


def test_question_and_context_become_one(tmp_path: Path) -> None:
    import tensorflow as tf

    data_dir = tmp_path / "data"
    data_dir.mkdir()
    # squad_concat reads the data of squad.
    registry.problem("squad").generate_data(str(data_dir), str(tmp_path))
    made = manifest.read(str(data_dir), "squad")
    assert made is not None and list(made.vocabularies) == ["vocab.squad.32768.model"]
    problem = registry.problem("squad_concat")
    hparams = problem.get_hparams(HParams(), str(data_dir))
    assert set(hparams.modality) == set(hparams.vocab_size) == {"inputs", "targets"}
    encoder = hparams.vocabulary["inputs"]
    assert encoder.encode("<EOQ>") == [problem.QUESTION_SEPARATOR_ID] == [2]
    records = tf.data.TFRecordDataset(problem.shards(str(data_dir), "eval"))
    (example, *_) = problem.examples(records, "eval", HParams()).as_numpy_iterator()
    assert set(example) == {"inputs", "targets"}
    asked, read = encoder.decode(example["inputs"].tolist()).split("<EOQ>")
    assert asked.startswith("which hill") and "It is the hill." in read
    # The plain problem keeps the context as a feature of its own.
    plain = registry.problem("squad")
    assert set(plain.get_hparams(HParams(), str(data_dir)).modality) == {
        *("inputs", "context", "targets")
    }
    (example, *_) = plain.examples(records, "eval", HParams()).as_numpy_iterator()
    assert set(example) == {"inputs", "context", "targets"}


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1, "data": [{}]}'])
def test_another_file(text: str, tmp_path: Path, generate: Callable) -> None:
    (tmp_path / "dev-v1.1.json").write_text(text)
    with pytest.raises(DataError, match=r"dev-v1.1.json isn't a file of SQuAD \(.*; delete it and"):
        generate("squad")
