"""Base class of the translate_* problems: lists of corpora for training and evaluation."""

from __future__ import annotations

from typing import Any

from t2tlite import problem, translate


class ListedCorpora(translate.TranslateProblem):
    """Translation between two languages from lists of corpora.

    Attributes:
      train_datasets: corpora for training, in the form of `translate.compile_data`.
      eval_datasets: corpora for evaluation.
    """

    train_datasets: list[Any]
    eval_datasets: list[Any]

    @property
    def additional_training_datasets(self) -> list[Any]:
        """Further corpora for training, for subclasses."""
        return []

    def source_data_files(self, dataset_split: str) -> list[Any]:
        if dataset_split == problem.DatasetSplit.TRAIN:
            return [*self.train_datasets, *self.additional_training_datasets]
        return self.eval_datasets
