"""run.json: everything that is needed to rebuild a trained model, beside its checkpoints.

A model folder moves as one piece: it holds a copy of the vocabulary, and its record names the
problem, the plugin folders, the model and every hparam. Decoding needs nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2tlite import plugins, registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import CheckpointError, DataError, PluginError, VocabularyError
from t2tlite.files import atomic, opened_below
from t2tlite.text import ClassLabelEncoder
from t2tlite.text.vocabulary import vocabulary_sha256
from t2tlite.version import __version__

NAME = "run.json"


@dataclass
class RunRecord:
    """What is trained on what.

    Attributes:
      problem: registered name, with `_rev` or `_copy`.
      model: registered name.
      hparams: values by name.
      usr_dirs: plugin folders, absolute.
      vocabularies: sha256 by file name; the files lie beside run.json.
      versions: of the libraries.
      command: the command line that made it.
      hparams_set: registered name of the set that the hparams are of; "": nobody knows.
      labels: the class labels of a feature, where it has them.
    """

    problem: str
    model: str
    hparams: dict[str, Any]
    usr_dirs: list[str] = field(default_factory=list)
    vocabularies: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    hparams_set: str = ""
    labels: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def describe(cls, problem: str, model: str, hparams: HParams, usr_dirs: list[str]) -> RunRecord:
        """Returns the record of a run that is about to start."""
        libraries = ["tensorflow", "keras", "sentencepiece", "numpy"]
        return cls(
            problem=problem,
            model=model,
            hparams=hparams.values(),
            usr_dirs=[str(Path(one).expanduser().resolve()) for one in usr_dirs],
            versions={
                "t2tlite": __version__,
                **{name: importlib.metadata.version(name) for name in libraries},
            },
            command=sys.argv,
        )

    def take_vocabularies(self, output_dir: str | Path, data_dir: str | Path) -> None:
        """Notes vocabularies and labels, which must be those of a model that is there already.

        Raises:
          VocabularyError: `output_dir` holds a model trained with other ones.
        """
        problem = registry.problem(self.problem)
        # A problem's own encoders may have files of any name. One that is missing is told below,
        # or where the model needs it.
        with opened_below(data_dir) as opened, contextlib.suppress(VocabularyError):
            self.labels = _labels(problem.feature_encoders(str(data_dir)))
        self.vocabularies = {
            name: vocabulary_sha256(Path(data_dir) / name)
            for name in sorted({*problem.vocabulary_filenames, *opened})
            if (Path(data_dir) / name).exists()
        }
        if not (Path(output_dir) / NAME).exists():
            return
        run = read(output_dir)
        if run.labels and run.labels != self.labels:
            raise VocabularyError(
                f"{output_dir} was trained with the class labels {_listed(run.labels)}, and "
                f"--problem={self.problem} has {_listed(self.labels)}; choose a new --output_dir, "
                f"and --warm_start_from={output_dir} to take over what fits"
            )
        before = run.vocabularies
        if before != self.vocabularies:
            if not Path(data_dir).is_dir():
                raise DataError(f"no data: {data_dir} doesn't exist; check --data_dir")
            other = [name for name in before if self.vocabularies.get(name) != before[name]]
            raise VocabularyError(
                f"{output_dir} was trained with another {' and '.join(other) or 'vocabulary'} than "
                f"{data_dir} has; choose a new --output_dir or restore the vocabulary"
            )

    def write(self, output_dir: str | Path, data_dir: str | Path) -> None:
        """Copies the vocabularies into `output_dir` and writes run.json.

        Raises:
          OutputError: the folder can't be written.
        """
        for name in self.vocabularies:
            if not (Path(output_dir) / name).exists():
                data = (Path(data_dir) / name).read_bytes()
                with atomic(Path(output_dir) / name) as file:
                    file.write(data)
        with atomic(Path(output_dir) / NAME, "w") as file:
            json.dump(dataclasses.asdict(self), file, indent=1, sort_keys=True)
            file.write("\n")

    def check_vocabularies(self, folder: str | os.PathLike[str]) -> None:
        """Makes sure that `folder` holds the vocabularies that the model was trained with.

        Raises:
          VocabularyError: one is missing or another.
        """
        for name, expected in self.vocabularies.items():
            path = Path(folder) / name
            if not path.exists():
                raise VocabularyError(
                    f"{path} is missing and the model needs it; copy it from the data_dir"
                )
            if vocabulary_sha256(path) != expected:
                raise VocabularyError(
                    f"{path} isn't the vocabulary that the model was trained with (its sha256 "
                    f"isn't {expected[:12]}...); copy the right one there"
                )

    def make_model(self, problem_hparams: ProblemHParams) -> Any:
        """Returns the built model with new weights."""
        model_class = registry.model(self.model)
        model = model_class(HParams.from_values(self.hparams), problem_hparams)
        build(model, problem_hparams)
        return model


def _labels(encoders: Mapping[str, Any]) -> dict[str, list[str]]:
    """The class labels of each feature that has them."""
    return {
        name: [encoder.decode([i]) for i in range(encoder.vocab_size)]
        for name, encoder in encoders.items()
        if isinstance(encoder, ClassLabelEncoder)
    }


def _listed(labels: Mapping[str, list[str]]) -> str:
    return "; ".join(", ".join(one) for one in labels.values())


def build(model: Any, problem_hparams: ProblemHParams) -> None:
    """Makes the weights of a model by running it on two examples of three tokens."""
    import numpy as np

    features = {}
    for name, modality in problem_hparams.modality.items():
        length = 1 if modality == "class_label" else 3
        features[name] = np.ones((2, length), np.int32)
    model(features)


def read(output_dir: str | os.PathLike[str]) -> RunRecord:
    """Reads run.json and loads the plugins that it names.

    Raises:
      CheckpointError: there is none, or it is damaged.
      PluginError: a plugin folder is gone.
    """
    path = Path(output_dir) / NAME
    if not path.exists():
        raise CheckpointError(
            f"{output_dir} holds no model ({NAME} is missing); give the --output_dir that "
            f"t2t-trainer wrote"
        )
    try:
        run = RunRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); train again or restore it") from None
    return run


def load_plugins(run: RunRecord, usr_dirs: list[str]) -> None:
    """Imports the plugin folders of a run, or those given instead.

    Raises:
      PluginError: a folder is gone; the message says how to give another.
    """
    for folder in usr_dirs or run.usr_dirs:
        if not usr_dirs and not Path(folder).exists():
            raise PluginError(
                f"the model's plugin folder {folder} is gone; give its new place as --t2t_usr_dir"
            )
        plugins.load_usr_dir(folder)
