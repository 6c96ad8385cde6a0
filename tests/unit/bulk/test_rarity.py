"""The rarest parts of inputs."""

import pytest

from t2tlite import registry
from t2tlite.bulk import rarity
from t2tlite.bulk.rarity import rarity_of, training_inputs
from t2tlite.datagen.generate_data import generate_data
from t2tlite.text_problems import Text2TextProblem


def test_words_where_there_are_many():
    texts = [f"the word{i}" for i in range(400)]
    counted = rarity_of([*texts, "the cat"], "all texts")
    assert counted.unit == "token"
    assert [counted.of(text) for text in ("the", "the word7", "the dog", "")] == [401, 1, 0, 0]


@pytest.mark.parametrize(("separator", "unit"), [("", "character"), (" ", "token")])
def test_three_in_a_row_where_letters_are_few(separator, unit):
    texts = [separator.join(text) for text in ("abcd", "bcde", "xy")]
    counted = rarity_of(texts, "all texts")
    assert counted.unit == f"3 {unit}s in a row"
    # "bcd" is in two, "abc" in one; shorter texts are a part of their own.
    rarest = [counted.of(separator.join(text)) for text in ("bcd", "abcd", "xy", "zz", "")]
    assert rarest == [2, 1, 1, 0, 0]


class Greetings(Text2TextProblem):
    vocab_type = "character"
    dataset_splits = [{"split": "train", "shards": 2}, {"split": "eval", "shards": 1}]
    inputs_prefix = "say: "

    def generate_samples(self, data_dir, tmp_dir, dataset_split):
        for number in range(3):
            yield {"inputs": f"{dataset_split} {number}", "targets": "hello"}


def test_inputs_of_the_training_data(own_names, tmp_path, monkeypatch):
    registry.register_problem(Greetings)
    generate_data("greetings", str(tmp_path), num_workers=1)

    def read(name):
        return sorted(training_inputs(registry.problem(name), str(tmp_path)))

    assert read("greetings") == ["train 0", "train 1", "train 2"]
    assert read("greetings_rev") == ["hello"] * 3
    monkeypatch.setattr(rarity, "MOST_INPUTS", 2)
    assert len(read("greetings")) == 2
