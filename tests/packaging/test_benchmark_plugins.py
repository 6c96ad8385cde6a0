"""The plugins of benchmarks/: their names, and what nanogpt's windows predict."""

from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.plugins import load_usr_dir
from t2tlite.problem import DatasetSplit

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
TEXT = "To be, or not to be, that is the question. " * 8


@pytest.fixture
def windows(tmp_path, monkeypatch):
    load_usr_dir(str(BENCHMARKS / "nanogpt"))
    whole = type(registry.problem("char_lm_tinyshakespeare"))
    monkeypatch.setattr(
        whole, "generate_samples", lambda *_: ({"targets": part} for part in (TEXT[:9], TEXT[9:]))
    )
    problem = registry.problem("char_lm_tinyshakespeare64")
    encoder = problem.get_or_create_vocab("", "")

    def of_split(split):
        samples = problem.generate_encoded_samples(str(tmp_path), str(tmp_path), split)
        return [(encoder.decode(one["inputs"]), encoder.decode(one["targets"])) for one in samples]

    return of_split


def test_each_character_but_the_first_is_evaluated_once(windows):
    found = windows(DatasetSplit.EVAL)
    assert "".join(targets for _, targets in found) == TEXT[1:]
    assert "".join(inputs for inputs, _ in found) == TEXT[:-1:64]
    assert {len(targets) for _, targets in found[:-1]} == {64}


def test_training_windows_overlap_by_half(windows):
    found = windows(DatasetSplit.TRAIN)
    assert [inputs + targets for inputs, targets in found] == [
        TEXT[start : start + 65] for start in range(0, len(TEXT) - 1, 32)
    ]


def test_the_formal_problems_are_registered():
    load_usr_dir(str(BENCHMARKS / "rules"))
    assert {"inflect", "dyck_close"} <= set(registry.problems)
