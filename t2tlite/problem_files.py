"""The files of a problem's data: their names, the shards of each split, those that exist."""

from __future__ import annotations

import contextlib
import os
from contextlib import AbstractContextManager
from typing import Any

from t2tlite import buckets
from t2tlite.data.manifest import check_sizes
from t2tlite.data.records import find_shards, shard_paths
from t2tlite.errors import DataError
from t2tlite.registry import snake_case


class DatasetSplit:
    """T2T's names of the splits, as plain strings: plugins compare them with literals."""

    TRAIN = "train"
    EVAL = "eval"
    TEST = "test"


# The names of the splits in file names.
FILE_WORD = {DatasetSplit.TRAIN: "train", DatasetSplit.EVAL: "dev", DatasetSplit.TEST: "test"}

# Of a split: their names have five digits.
_MAX_SHARDS = 99_999


class ProblemFiles:
    """The part of a problem that knows its files; base class of `t2tlite.problem.Problem`."""

    # Plugins set the name before they call the __init__ of Problem.
    _name: str | None = None

    @property
    def name(self) -> str:
        """The registered name, without `_rev` and `_copy`; names of data files start with it."""
        return self._name or snake_case(type(self).__name__)

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        """The splits with their numbers of shards: `[{"split": "train", "shards": 100}, ...]`."""
        return [
            {"split": DatasetSplit.TRAIN, "shards": 100},
            {"split": DatasetSplit.EVAL, "shards": 1},
        ]

    def dataset_filename(self) -> str:
        """Returns what the names of data files start with."""
        return self.name

    def training_filepaths(self, data_dir: str, num_shards: int, shuffled: bool) -> list[str]:
        """Returns the paths of the training shards."""
        return self._filepaths(DatasetSplit.TRAIN, data_dir, num_shards, shuffled)

    def dev_filepaths(self, data_dir: str, num_shards: int, shuffled: bool) -> list[str]:
        """Returns the paths of the evaluation shards."""
        return self._filepaths(DatasetSplit.EVAL, data_dir, num_shards, shuffled)

    def test_filepaths(self, data_dir: str, num_shards: int, shuffled: bool) -> list[str]:
        """Returns the paths of the test shards."""
        return self._filepaths(DatasetSplit.TEST, data_dir, num_shards, shuffled)

    def _filepaths(self, split: str, data_dir: str, shards: int, shuffled: bool) -> list[str]:
        stem = f"{self.dataset_filename()}{'' if shuffled else '-unshuffled'}-{FILE_WORD[split]}"
        return shard_paths(data_dir, stem, shards)

    def data_filepaths(
        self, split: str, output_dir: str, num_shards: int, shuffled: bool
    ) -> list[str]:
        """Returns the paths of the shards of a split.

        Raises:
          DataError: there is no such split.
        """
        by_split = {
            DatasetSplit.TRAIN: self.training_filepaths,
            DatasetSplit.EVAL: self.dev_filepaths,
            DatasetSplit.TEST: self.test_filepaths,
        }
        if split not in by_split:
            raise DataError(f"{self.name} has no split {split!r}; choose {', '.join(by_split)}")
        return by_split[split](output_dir, num_shards, shuffled)

    def filepaths_by_split(self, data_dir: str) -> dict[str, list[str]]:
        """Returns the paths of all shards of `dataset_splits`, by split.

        Raises:
          DataError: a split has an unknown name, or no number of shards.
        """
        paths = {}
        for entry in self.dataset_splits:
            split, shards = (entry.get(key) for key in ("split", "shards"))
            if split not in FILE_WORD or split in paths:
                raise DataError(
                    f"{self.name}: dataset_splits names {split!r}; expected one of "
                    f"{', '.join(FILE_WORD)}, each at most once"
                )
            if not isinstance(shards, int) or not 1 <= shards <= _MAX_SHARDS:
                raise DataError(
                    f"{self.name}: dataset_splits gives {split!r} {shards!r} shards; expected a "
                    f"whole number from 1 to {_MAX_SHARDS:,}"
                )
            paths[split] = self.data_filepaths(split, data_dir, shards, True)
        if not paths:
            raise DataError(f"{self.name}: dataset_splits is empty; name a split and its shards")
        return paths

    def check_data_folder(self, data_dir: str, overwrite: bool) -> None:
        """Compares the problem with what a data folder was made from; by default does nothing.

        Args:
          data_dir: the data folder.
          overwrite: whether its data will be generated again.

        Raises:
          DataError: the folder has data of other arguments, and they aren't to be overwritten.
        """

    def prepared(self, data_dir: str, num_workers: int) -> AbstractContextManager[None]:
        """Returns a context in which `generate_data` finds what it needs; by default any.

        Args:
          data_dir: the data folder.
          num_workers: processes that prepare it.

        Raises:
          DataError: the sources can't be read.
        """
        return contextlib.nullcontext()

    def filepattern(self, data_dir: str, mode: str, shard: int | None = None) -> str:
        """Returns a glob pattern of the shards of a split, "train", "eval" or "test"."""
        suffix = f"{shard:05d}" if shard is not None else ""
        name = f"{self.dataset_filename()}-{FILE_WORD[mode]}-{suffix}*"
        buckets.fetch(data_dir, name)
        return os.path.join(data_dir, name)

    def shards(self, data_dir: str, split: str) -> list[str]:
        """Returns the paths of the existing shards of a split.

        Raises:
          DataError: shards are missing, or the size of one isn't that of the manifest.
        """
        stem = f"{self.dataset_filename()}-{FILE_WORD[split]}"
        paths = find_shards(data_dir, stem)
        check_sizes(data_dir, self.dataset_filename(), paths)
        return [str(path) for path in paths]
