"""What the translate_* problems share: a list of corpora to learn from, and one to evaluate on."""

from __future__ import annotations

from typing import Any

from t2tlite import problem, translate


class ListedCorpora(translate.TranslateProblem):
    """Translation between two languages from lists of corpora, see `translate.compile_data`.

    Attributes:
      train_datasets: what is learned from.
      eval_datasets: what is evaluated on.
    """

    train_datasets: list[Any]
    eval_datasets: list[Any]

    @property
    def additional_training_datasets(self) -> list[Any]:
        """More of what is learned from, for subclasses."""
        return []

    def source_data_files(self, dataset_split: str) -> list[Any]:
        if dataset_split == problem.DatasetSplit.TRAIN:
            return [*self.train_datasets, *self.additional_training_datasets]
        return self.eval_datasets
