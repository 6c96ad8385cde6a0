"""The sizes of the data that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from t2tlite.data import manifest
from t2tlite.mixtures.mixture import Mixture
from t2tlite.problem import Problem


@dataclass(frozen=True)
class DataSize:
    """The size of a split that the model was trained or evaluated with.

    Attributes:
      examples: their number.
      tokens: sum of their lengths by feature, as the features are named in the data.
      max_length: length of the longest example by feature.
    """

    examples: int
    tokens: dict[str, int] = field(default_factory=dict)
    max_length: dict[str, int] = field(default_factory=dict)


def data_sizes(problem: Problem, data_dir: str | Path) -> dict[str, DataSize]:
    """Returns the sizes by split; of a mixture those of all its data."""
    parts = problem.distinct_members if isinstance(problem, Mixture) else [problem]
    splits: dict[str, manifest.Split] = {}
    for part in parts:
        made = manifest.read(data_dir, part.dataset_filename())
        for split, one in (made.splits if made else {}).items():
            splits.setdefault(split, manifest.Split()).add(one)
    return {
        split: DataSize(one.examples, one.tokens, one.max_length) for split, one in splits.items()
    }
