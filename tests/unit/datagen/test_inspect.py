"""t2t-inspect, and the warnings of t2t-datagen."""

import pytest

from t2tlite import registry
from t2tlite.datagen.generate_data import generate_data
from t2tlite.datagen.inspect import inspect_data
from t2tlite.errors import DataError
from t2tlite.text_problems import Text2TextProblem


@pytest.fixture
def leaky(own_names):
    """A problem whose evaluation split has a pair of the training split, and an empty text."""

    class LeakyPairs(Text2TextProblem):
        vocab_type = "character"
        dataset_splits = [{"split": "train", "shards": 1}, {"split": "eval", "shards": 1}]

        def generate_samples(self, data_dir, tmp_dir, dataset_split):
            yield {"inputs": "both\tsplits", "targets": "é"}
            yield {"inputs": dataset_split, "targets": "" if dataset_split == "eval" else "x"}

    registry.register_problem(LeakyPairs)
    return "leaky_pairs"


def test_leaks_and_empty_texts(leaky, tmp_path, warned, capsys):
    generate_data(leaky, str(tmp_path))
    assert [line.split(";")[0] for line in warned] == [
        "leaky_pairs dev: 1 of 2 (50 %) have empty targets",
        "leaky_pairs dev: 1 of 2 (50 %) are in train too, which inflates the scores",
    ]
    inspect_data(leaky, str(tmp_path))
    out = capsys.readouterr().out
    assert "dev: also in train\n  inputs     12  both\\tsplits\n" in out
    assert "<0xC3>|<0xA9>|<EOS>" in out
    assert "dev also in train  1 of 2 (50 %)  1 of 2 (50 %)" in out
    inspect_data(leaky, str(tmp_path), split="dev", shown=0)
    out = capsys.readouterr().out
    assert "train" not in out
    assert "both" not in out


def test_a_missing_split(leaky, tmp_path):
    with pytest.raises(DataError, match="no data: .* has no files leaky_pairs-dev"):
        inspect_data(leaky, str(tmp_path), split="dev")
