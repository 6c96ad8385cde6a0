"""The plugin in examples/poetry, which the README shows."""

import os
from pathlib import Path

import pytest

from t2tlite import plugins, registry

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "poetry"


@pytest.fixture(autouse=True)
def loaded() -> None:
    plugins.load_usr_dir(EXAMPLE)


def test_its_own_poems(tmp_path: Path) -> None:
    problem = registry.problem("my_poetry_lines")
    samples = list(problem.generate_samples("", str(tmp_path), "train"))
    lines = (EXAMPLE / "poems.txt").read_text(encoding="utf-8").split("\n")
    poems = sum(
        bool(line) and not before for before, line in zip(["", *lines], lines, strict=False)
    )
    assert len(samples) == sum(map(bool, lines)) - poems
    assert samples[0] == {
        "inputs": "Shall I compare thee to a summer's day?",
        "targets": "Thou art more lovely and more temperate:",
    }
    assert all(one["inputs"] and one["targets"] for one in samples)


def test_poems_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "poems.txt").write_text("Über allen Gipfeln\n ist Ruh,\n\nin allen\n", "utf-8")
    problem = registry.problem("my_poetry_lines")
    samples = list(problem.generate_samples("", str(tmp_path), "train"))
    assert samples == [{"inputs": "Über allen Gipfeln", "targets": "ist Ruh,"}]


def test_data_of_it(tmp_path: Path) -> None:
    problem = registry.problem("my_poetry_lines")
    problem.generate_data(str(tmp_path), str(tmp_path))
    names = os.listdir(tmp_path)
    assert sum("-train-" in name for name in names) == 9
    assert sum("-dev-" in name for name in names) == 1
    encoder = problem.get_feature_encoders(str(tmp_path))["targets"]
    assert encoder.vocab_size == problem.approx_vocab_size


def test_hparams() -> None:
    made = registry.hparams("my_poetry_tiny")
    assert made.hidden_size == registry.hparams("transformer_poetry").hidden_size
    assert made.layer_prepostprocess_dropout == 0.3
