"""Fixtures of the tests of built-in problems."""

import functools
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from t2tlite import registry

Samples = dict[str, list[dict[str, Any]]]


def _all_samples(name: str, tmp_dir: str, data_dir: str = "") -> Samples:
    made = registry.problem(name)
    return {
        one["split"]: list(made.generate_samples(data_dir, tmp_dir, one["split"]))
        for one in made.dataset_splits
    }


@pytest.fixture
def generate(tmp_path: Path) -> Callable[[str], Samples]:
    """A function that returns all samples of a problem by split, with tmp_path as its folders."""
    return lambda name: _all_samples(name, str(tmp_path), str(tmp_path))


@pytest.fixture(scope="session")
def generated() -> Callable[[str], Samples]:
    """A function for problems that read no files, which generates their samples once."""
    return functools.cache(lambda name: _all_samples(name, ""))


@pytest.fixture
def archived(tmp_path: Path) -> Callable[[str, Mapping[str, str]], str]:
    """A function that makes an archive, .zip or packed .tar, of texts by path; returns its URL."""

    def make(name: str, texts: Mapping[str, str]) -> str:
        site = tmp_path / "site"
        for path, text in texts.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text, encoding="utf-8")
        made = site / name
        if made.suffix == ".zip":
            with zipfile.ZipFile(made, "w") as packed:
                for path in texts:
                    packed.write(site / path, path)
        else:
            with tarfile.open(made, "w:gz") as tar:
                for path in texts:
                    tar.add(site / path, path)
        return made.as_uri()

    return make
