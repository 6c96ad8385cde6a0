"""DistributedText2TextProblem and ChoppedTextProblem: tasks, their files, their shards."""

import pytest

from t2tlite import registry
from t2tlite.compat.tensor2tensor.data_generators import text_problems
from t2tlite.data import manifest
from t2tlite.data.records import read_examples, read_shard
from t2tlite.datagen.generate_data import generate_data
from t2tlite.errors import DataError


class Lines(text_problems.DistributedText2TextProblem):
    """Lines of files that a test writes; 2 training, 3 evaluation and 4 test shards."""

    vocab_type = text_problems.VocabType.CHARACTER
    dataset_splits = [
        {"split": split, "shards": shards}
        for split, shards in [("train", 2), ("eval", 3), ("test", 4)]
    ]
    folder = None
    counts = {"train": 25, "eval": 5, "test": 11}

    def input_files(self, dataset_split="train"):
        count = self.counts[dataset_split]
        return [str(self.folder / f"{dataset_split}-{n}") for n in range(count)]

    def generate_samples(self, data_dir, tmp_dir, dataset_split, input_files):
        for path in input_files:
            with open(path) as file:
                for line in file:
                    yield {"inputs": line.strip(), "targets": line.strip()}


class Unsplit(Lines):
    """All shards from the training files."""

    is_generate_per_split = False


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    for split, count in Lines.counts.items():
        for number in range(count):
            (tmp_path / f"{split}-{number}").write_text(f"{split} {number} a\n{split} {number} b\n")
    monkeypatch.setattr(Lines, "folder", tmp_path)


def numbers(paths):
    return [int(path.rpartition("-")[2]) for path in paths]


def test_files_of_a_task():
    per_split = [numbers(Lines()._task_id_to_input_files(task)) for task in range(9)]
    assert per_split[:2] == [list(range(13)), list(range(13, 25))]
    assert per_split[2:] == [[0, 1], [2, 3], [4], [0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10]]
    together = [numbers(Unsplit()._task_id_to_input_files(task)) for task in range(9)]
    assert together[:2] == [[0, 1, 2], [3, 4, 5]]
    assert together[6:] == [[18, 19, 20], [21, 22], [23, 24]]
    assert Unsplit()._task_id_to_output_split(4) == ("eval", 3, 2)
    assert Unsplit().num_generate_tasks == 9


def test_the_vocabulary_is_learned_from_training_shards():
    assert len(set(Lines().generate_text_for_vocab("", ""))) == 50
    # Of 25 files the first six are for training.
    texts = set(Unsplit().generate_text_for_vocab("", ""))
    assert len(texts) == 12 and "train 5 b" in texts


def examples_of(paths):
    """Returns inputs and targets of the examples of shards."""
    decode = Lines().get_or_create_vocab("", "").decode
    return [
        tuple(decode(features[name][:-1]) for name in ("inputs", "targets"))
        for _, features in read_examples(paths)
    ]


def texts_of(data_dir, split):
    return sorted(inputs for inputs, _ in examples_of(data_dir.glob(f"lines-{split}-*")))


@pytest.mark.parametrize("num_workers", [1, 2])
def test_all_tasks(tmp_path, num_workers):
    data_dir = tmp_path / "data"
    problem = Lines()
    problem.num_workers = num_workers
    problem.generate_data(str(data_dir), str(tmp_path))
    made = manifest.read(str(data_dir), "lines")
    assert {split: one.examples for split, one in made.splits.items()} == {
        "train": 50,
        "eval": 10,
        "test": 22,
    }
    assert len(list(data_dir.glob("lines-train-*-of-00002"))) == 2
    assert texts_of(data_dir, "dev") == sorted(f"eval {n} {c}" for n in range(5) for c in "ab")
    assert manifest.is_complete(str(data_dir), "lines", list(map(str, data_dir.glob("lines-t*"))))


def test_single_tasks(tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    for task in range(9):
        Lines().generate_data(str(data_dir), str(tmp_path), task)
        assert len(list(data_dir.iterdir())) == task + 1
    # The third shard of the test split has the files of its task.
    examples = examples_of([data_dir / "lines-test-00002-of-00004"])
    assert {inputs for inputs, _ in examples} == {f"test {n} {c}" for n in (6, 7, 8) for c in "ab"}
    assert texts_of(data_dir, "dev") == sorted(f"eval {n} {c}" for n in range(5) for c in "ab")
    with pytest.raises(DataError, match="lines has no task 9; choose --task_id from 0 to 8"):
        Lines().generate_data(str(data_dir), str(tmp_path), 9)


def test_an_own_encoding(tmp_path):
    class Short(Lines):
        def generate_encoded_samples(self, data_dir, tmp_dir, dataset_split, input_files):
            for sample in super().generate_encoded_samples(
                data_dir, tmp_dir, dataset_split, input_files
            ):
                yield {**sample, "targets": sample["targets"][:3]}

    made = Short()
    made.generate_data(str(tmp_path / "data"), str(tmp_path))
    examples = examples_of((tmp_path / "data").glob("short-dev-*"))
    assert len(examples) == 10
    # The third id isn't EOS now.
    assert {targets for _, targets in examples} == {"ev"}


def test_too_few_files(monkeypatch):
    monkeypatch.setattr(Lines, "counts", {"train": 2, "eval": 3, "test": 3})
    with pytest.raises(DataError, match="input_files has 8 files for 9 shards; expected a file"):
        Lines()._task_id_to_input_files(0)


class Chopped(text_problems.ChoppedTextProblem):
    """Files of a test in examples of four bytes."""

    vocab_type = text_problems.VocabType.CHARACTER
    dataset_splits = [{"split": "train", "shards": 2}, {"split": "eval", "shards": 1}]
    sequence_length = 4

    def train_text_filepaths(self, tmp_dir):
        return [f"{tmp_dir}/{name}" for name in ("one", "two", "three")]

    def dev_text_filepaths(self, tmp_dir):
        return [f"{tmp_dir}/dev"]


@pytest.fixture
def chopped(tmp_path, own_names):
    for name in ("one", "two", "three", "dev"):
        (tmp_path / name).write_text(name * 3)
    registry.register_problem(Chopped)
    return Chopped()


def test_examples_of_a_task(chopped, tmp_path):
    encoder = chopped.get_or_create_vocab("", "")
    made = [one["targets"] for one in chopped.example_generator(encoder, str(tmp_path), 0)]
    # The first and the third file: 10 and 16 bytes with their line ends.
    text = "".join(chr(id_ - 2) for ids in made for id_ in ids if id_)
    assert text == "oneoneone\nthreethreethree\n"
    assert {len(ids) for ids in made} == {4} and made[-1][-2:] == [0, 0]
    Chopped.remainder_policy = "drop"
    try:
        assert list(chopped.example_generator(encoder, str(tmp_path), 0)) == [
            {"targets": ids} for ids in made[:-1]
        ]
    finally:
        del Chopped.remainder_policy


def test_limits(chopped, tmp_path):
    files = chopped.train_text_filepaths(str(tmp_path))
    assert "".join(chopped.file_generator(files, max_chars_per_file=2)) == "ontwth"
    assert "".join(chopped.file_generator(files, max_chars_total=13)) == "oneoneone\ntwo"
    assert chopped.max_length(None) == 4


def test_every_task_writes_a_shard(chopped, tmp_path, monkeypatch):
    prepared = []
    monkeypatch.setattr(Chopped, "prepare_to_generate", lambda self, *args: prepared.append(args))
    data_dir = tmp_path / "data"
    generate_data("chopped", str(data_dir), str(tmp_path))
    assert prepared == [(str(data_dir), str(tmp_path))]
    counts = {path.name: len(list(read_shard(path))) for path in data_dir.iterdir()}
    assert counts == {
        "chopped-train-00000-of-00002": 7,
        "chopped-train-00001-of-00002": 3,
        "chopped-dev-00000-of-00001": 3,
    }
    # With --task_id only that one.
    generate_data("chopped", str(tmp_path / "part"), str(tmp_path), task_id=2)
    assert [path.name for path in (tmp_path / "part").iterdir()] == ["chopped-dev-00000-of-00001"]
    assert len(prepared) == 1
