"""Fixtures of the tests of built-in problems."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from t2tlite import registry

Samples = dict[str, list[dict[str, Any]]]


def _all_samples(name: str, tmp_dir: str) -> Samples:
    made = registry.problem(name)
    return {
        one["split"]: list(made.generate_samples("", tmp_dir, one["split"]))
        for one in made.dataset_splits
    }


@pytest.fixture
def generate(tmp_path: Path) -> Callable[[str], Samples]:
    """A function that returns all samples of a problem by split, with tmp_path as its tmp_dir."""
    return lambda name: _all_samples(name, str(tmp_path))


@pytest.fixture(scope="session")
def generated() -> Callable[[str], Samples]:
    """A function for problems that read no files, which generates their samples once."""
    return functools.cache(lambda name: _all_samples(name, ""))
