from collections.abc import Callable
from pathlib import Path

import pytest

from t2tlite import registry
from t2tlite.data import manifest
from t2tlite.errors import DataError


@pytest.fixture(autouse=True)
def url(archived: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(f"y={n},x=-{n},y+x:{n - n}\n" for n in range(22))
    problem_class = type(registry.problem("algorithmic_math_two_variables"))
    name = "mathematical_language_understanding_train.tar.gz"
    assert f"https://art.wangperawong.com/{name}" == problem_class.URL
    made = archived(name, {"symbolic_math_train.txt": lines})
    monkeypatch.setattr(problem_class, "URL", made)


def test_samples(tmp_path: Path) -> None:
    problem = registry.problem("algorithmic_math_two_variables")
    samples = problem.generate_samples("", str(tmp_path), "train")
    assert list(samples)[3] == {"inputs": "y=3,x=-3,y+x", "targets": "0"}
    problem.generate_data(str(tmp_path / "data"), str(tmp_path))
    made = manifest.read(str(tmp_path / "data"), "algorithmic_math_two_variables")
    assert made is not None
    assert {split: one.examples for split, one in made.splits.items()} == {"train": 20, "eval": 2}


def test_another_file(tmp_path: Path) -> None:
    (tmp_path / "symbolic_math_train.txt").write_text("x=1,x:1\nx=1\n")
    problem = registry.problem("algorithmic_math_two_variables")
    with pytest.raises(DataError, match="train.txt, line 2: found 'x=1'; expected an expression"):
        list(problem.generate_samples("", str(tmp_path), "train"))
