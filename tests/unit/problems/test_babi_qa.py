from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.config import HParams
from t2tlite.data import manifest
from t2tlite.errors import DataError

FIRST = "1 Mary moved to the bathroom.\n2 Where is Mary? \tbathroom\t1\n"
SECOND = "3 John went out.\n4 Who went? \tJohn\t3\n1 He slept.\n2 What did he do?\tsleep\t1\n"
LISTS = "1 How do you go?\tn,s\t\n"


@pytest.fixture
def babi() -> object:
    """The module."""
    import importlib

    return importlib.import_module("t2tlite.problems.babi_qa")


@pytest.fixture(autouse=True)
def url(archived: Callable, babi: object, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {}
    for subset in ("en", "en-10k"):
        for name in list(babi._TASKS.values())[1:]:
            path = f"tasks_1-20_v1-2/{subset}/{name}"
            texts[f"{path}_train.txt"] = FIRST + SECOND if name.startswith("qa1_") else LISTS
            texts[f"{path}_test.txt"] = FIRST
    assert babi._URL == "http://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz"
    monkeypatch.setattr(babi, "_URL", archived("tasks_1-20_v1-2.tar.gz", texts))


def test_registered_names(babi: object) -> None:
    names = [
        f"babi_qa_concat_{task}_{size}"
        for size in ("1k", "10k")
        for task in ["all_tasks", *(f"task{n}" for n in range(1, 21))]
    ]
    assert names == babi.REGISTERED_PROBLEMS
    assert set(names) <= set(registry.list_problems())
    assert registry.problems.describe(names[1]).endswith(".")
    problem = registry.problem("babi_qa_concat_task19_10k")
    assert problem.dataset_filename() == "babi_qa_en-10k_qa19_path-finding"
    assert problem.vocab_filename == "vocab.babi_qa_en-10k_qa19_path-finding.tokens"
    assert problem.vocab_file == "en-10k_qa19_path-finding.vocab"


def test_samples(tmp_path: Path) -> None:
    problem = registry.problem("babi_qa_concat_task1_1k")
    splits = {
        split: list(problem.generate_samples(str(tmp_path), str(tmp_path), split))
        for split in ("train", "eval")
    }
    # A question sees the story so far, without earlier questions.
    assert splits["train"][:3] == [
        {
            "context": "Mary moved to the bathroom .",
            "inputs": "Where is Mary ?",
            "targets": "bathroom",
        },
        {
            "context": "Mary moved to the bathroom . John went out .",
            "inputs": "Who went ?",
            "targets": "John",
        },
        {"context": "He slept .", "inputs": "What did he do ?", "targets": "sleep"},
    ]
    # Training is on all tasks, evaluation on one. A list is one token.
    assert len(splits["train"]) == 3 + 19
    assert splits["train"][3] == {"context": "", "inputs": "How do you go ?", "targets": "ns"}
    assert splits["eval"] == splits["train"][:1]


def test_labels(tmp_path: Path) -> None:
    import tensorflow as tf

    problem = registry.problem("babi_qa_concat_all_tasks_10k")
    data_dir = str(tmp_path / "data")
    problem.generate_data(data_dir, str(tmp_path))
    made = manifest.read(data_dir, "babi_qa_en-10k_qa0_all-tasks")
    assert made is not None
    assert {split: one.examples for split, one in made.splits.items()} == {"train": 22, "eval": 20}
    filled = problem.get_hparams(HParams(), data_dir)
    words = filled.vocabulary["targets"]
    assert filled.modality == {"inputs": "symbol", "targets": "class_label"}
    assert filled.vocab_size == dict.fromkeys(("inputs", "targets"), words.vocab_size)
    records = tf.data.TFRecordDataset(problem.shards(data_dir, "eval"))
    (example, *_) = problem.examples(records, "eval", HParams()).as_numpy_iterator()
    assert set(example) == {"inputs", "targets"}
    assert words.decode(example["targets"].tolist()) == "bathroom"
    ids = example["inputs"].tolist()
    # T2T's separator is the first word of the vocabulary.
    assert words.decode(ids) == (
        f"Where is Mary ? <EOS> {words.decode([2])} Mary moved to the bathroom . <EOS>"
    )


def test_an_answer_of_several_words(tmp_path: Path, babi: object) -> None:
    class TwoWords(babi.BabiQaConcat):
        babi_task_id = "qa1"
        babi_subset = "en"
        joint_training = False

        def generate_samples(self, *args):
            for sample in super().generate_samples(*args):
                yield {**sample, "targets": "the bathroom"}

    with pytest.raises(DataError, match="the answer 'the bathroom' has 2 tokens; expected one"):
        TwoWords().generate_data(str(tmp_path), str(tmp_path))


def test_cannot_be_reversed() -> None:
    with pytest.raises(DataError, match="has no _rev and no _copy"):
        registry.problem("babi_qa_concat_task1_1k_rev")


def test_another_file(tmp_path: Path, babi: object) -> None:
    folder = tmp_path / "tasks_1-20_v1-2" / "en"
    folder.mkdir(parents=True)
    (folder / "qa1_single-supporting-fact_test.txt").write_text("1 A b.\nno number\n")
    with pytest.raises(DataError, match="fact_test.txt, line 2: found 'no number'; expected a num"):
        babi._babi_parser(str(tmp_path), "qa1", "en", "eval")
    with pytest.raises(DataError, match="qa2_two-supporting-facts_train.txt doesn't exist"):
        babi._babi_parser(str(tmp_path), "qa2", "en", "train", joint_training=False)


def test_names_of_the_parts(babi: object) -> None:
    assert list(babi.FeatureNames.features()) == ["story", "question", "answer"]
