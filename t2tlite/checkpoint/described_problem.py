"""`DescribedProblem`: a trained model's problem without the code of the plugin that defined it."""

from __future__ import annotations

import functools
import os
from typing import Any

from t2tlite.checkpoint.description import Description
from t2tlite.checkpoint.problem_kinds import KINDS
from t2tlite.config import HParams, ProblemHParams
from t2tlite.mixtures.task_tag import TaskTag
from t2tlite.problem import FILE_WORD, Problem


class DescribedProblem(Problem):
    """A problem made from its description in run.json.

    `make` gives it a second base class, which reads the data of its kind.

    Args:
      description: of the problem.
      folder: the model folder, where the vocabularies are.
    """

    def __init__(self, description: Description, folder: str | os.PathLike[str]) -> None:
        super().__init__(description.reversed, description.copied)
        self.name = description.name
        self.description = description
        self._folder = folder

    @classmethod
    def make(cls, description: Description, folder: str | os.PathLike[str]) -> DescribedProblem:
        """Returns the problem; the arguments are the class's."""
        made: DescribedProblem = _class_of(description.kind)(description, folder)
        return made

    @functools.cached_property
    def members(self) -> dict[str, Any]:
        """The problems of a mixture by name."""
        each = self.description.members
        return {
            one.name: DescribedProblem.make(self.description.member(one), self._folder)
            for one in each
        }

    @property
    def task_tags(self) -> list[TaskTag]:
        """How the texts of each member begin."""
        return [
            TaskTag(one.name, one.tag, one.target_tag, one.prefixes)
            for one in self.description.members
        ]

    @property
    def has_inputs(self) -> bool:
        return self.description.has_inputs

    @property
    def num_classes(self) -> int:
        """The number of labels of a classifier."""
        return self.description.features["targets"].vocab_size

    @property
    def ntasks(self) -> int:
        """The numbers of a text, of a regression."""
        return self.description.features["targets"].vocab_size

    def dataset_filename(self) -> str:
        return self.description.dataset

    @property
    def dataset_splits(self) -> list[dict[str, Any]]:
        splits = self.description.splits
        return [{"split": name, "shards": splits[name]} for name in FILE_WORD if name in splits]

    def feature_encoders(self, data_dir: str | None) -> dict[str, Any]:
        # Swapped twice, they are as in the data.
        return self._swap(self.get_feature_encoders())

    def get_feature_encoders(self, data_dir: str | None = None) -> dict[str, Any]:
        return dict(self._filled.vocabulary)

    def get_hparams(
        self, model_hparams: HParams | None = None, data_dir: str | None = None
    ) -> ProblemHParams:
        return self._filled

    @functools.cached_property
    def _filled(self) -> ProblemHParams:
        return self.description.problem_hparams(self._folder)

    @property
    def text_prefixes(self) -> dict[str, str]:
        prefixes = {name: one.prefix for name, one in self.description.features.items()}
        return {"inputs": "", "targets": "", **prefixes}

    @property
    def inputs_prefix(self) -> str:
        """The text put before every text of the data's inputs."""
        # Swapped twice, as the encoders.
        return str(self._swap(self.text_prefixes)["inputs"])

    @property
    def targets_prefix(self) -> str:
        """The same of the targets."""
        return str(self._swap(self.text_prefixes)["targets"])

    def max_length(self, model_hparams: HParams) -> int:
        return self.description.max_length or super().max_length(model_hparams)

    def eval_metrics(self) -> list[str]:
        return list(self.description.metrics)


@functools.cache
def _class_of(kind: str) -> Any:
    return type("DescribedProblem", (DescribedProblem, KINDS[kind]), {})
