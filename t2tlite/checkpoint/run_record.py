"""run.json, from which a trained model is rebuilt: problem, model, hparams, plugins, vocabularies.

With the copies of the vocabularies and the checkpoints beside it, decoding needs nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import logging
import os
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from t2tlite import plugins, registry
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import (
    CheckpointError,
    DataError,
    PluginError,
    UnknownNameError,
    VocabularyError,
)
from t2tlite.files import atomic, opened_below, plain_name, read_json
from t2tlite.text import ClassLabelEncoder
from t2tlite.text.vocabulary import vocabulary_sha256
from t2tlite.version import __version__

log = logging.getLogger(__name__)

NAME = "run.json"


@dataclass
class RunRecord:
    """Which model is trained on which problem, with which hparams; the content of run.json.

    Attributes:
      problem: registered name, with `_rev` or `_copy`.
      model: registered name.
      hparams: values by name.
      usr_dirs: plugin folders, absolute.
      vocabularies: sha256 by file name; the files are beside run.json.
      versions: of t2tlite and its libraries.
      command: the command line of the training.
      hparams_set: registered name of the set that the hparams started from; "" if unknown.
      labels: class labels by feature.
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
        """Returns the record of a run that is about to start; `usr_dirs` are trusted from then."""
        libraries = ["tensorflow", "keras", "sentencepiece", "numpy"]
        folders = [Path(folder).expanduser().resolve() for folder in usr_dirs]
        for folder in folders:
            plugins.remember(folder)
        return cls(
            problem=problem,
            model=model,
            hparams=hparams.values(),
            usr_dirs=[str(folder) for folder in folders],
            versions={"t2tlite": __version__}
            | {name: importlib.metadata.version(name) for name in libraries},
            command=sys.argv,
        )

    def take_vocabularies(self, output_dir: str | Path, data_dir: str | Path) -> None:
        """Records the vocabularies of `data_dir` and the class labels.

        Raises:
          VocabularyError: `output_dir` has a model with other vocabularies or labels.
          DataError: it has a model, but `data_dir` doesn't exist.
        """
        problem = registry.problem(self.problem)
        # A problem's own encoders may open files of any name. A missing vocabulary is an error
        # below, or later where the model is built.
        with opened_below(data_dir) as opened, contextlib.suppress(VocabularyError):
            encoders = problem.feature_encoders(str(data_dir))
            self.labels = {
                name: [encoder.decode([i]) for i in range(encoder.vocab_size)]
                for name, encoder in encoders.items()
                if isinstance(encoder, ClassLabelEncoder)
            }
        self.vocabularies = {
            name: vocabulary_sha256(Path(data_dir) / name)
            for name in sorted({*problem.vocabulary_filenames, *opened})
            if (Path(data_dir) / name).exists()
        }
        if not (Path(output_dir) / NAME).exists():
            return
        trained = read(output_dir)
        if trained.labels and trained.labels != self.labels:
            old, new = (
                "; ".join(", ".join(labels) for labels in run.labels.values())
                for run in (trained, self)
            )
            raise VocabularyError(
                f"{output_dir} was trained with the class labels {old}, and "
                f"--problem={self.problem} has {new}; choose a new --output_dir, with "
                f"--warm_start_from={output_dir} to start from the weights that fit"
            )
        expected = trained.vocabularies
        if expected != self.vocabularies:
            if not Path(data_dir).is_dir():
                raise DataError(f"no data: {data_dir} doesn't exist; check --data_dir")
            other = [name for name in expected if self.vocabularies.get(name) != expected[name]]
            raise VocabularyError(
                f"{output_dir} was trained with another {' and '.join(other) or 'vocabulary'} than "
                f"{data_dir} has; choose a new --output_dir or restore the vocabulary"
            )

    def write(self, output_dir: str | Path, data_dir: str | Path) -> None:
        """Copies the vocabularies into `output_dir` and writes run.json.

        Raises:
          OutputError: `output_dir` can't be written.
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
        """Checks that `folder` has the vocabularies that the model was trained with.

        Raises:
          VocabularyError: a vocabulary is missing or has another sha256.
        """
        for name, expected in self.vocabularies.items():
            path = Path(folder) / name
            if not path.is_file():
                raise VocabularyError(
                    f"{path} is missing and the model needs it; copy it from the data_dir"
                )
            if vocabulary_sha256(path) != expected:
                raise VocabularyError(
                    f"{path} isn't the vocabulary that the model was trained with (its sha256 "
                    f"isn't {expected[:12]}...); copy that one from the data_dir of the training"
                )

    def make_model(self, problem_hparams: ProblemHParams) -> Any:
        """Returns the built model with new weights."""
        hparams = HParams.from_values(self.hparams)
        model = registry.model(self.model)(hparams, problem_hparams)
        build(model, problem_hparams)
        return model


def build(model: Any, problem_hparams: ProblemHParams) -> None:
    """Creates the weights of a model by running it on a batch of two rows of three tokens."""
    import numpy as np

    from t2tlite.model import protocol

    features = {}
    for name, modality in problem_hparams.modality.items():
        length = 1 if modality == "class_label" else 3
        features[name] = np.ones((2, length), np.int32)
    model(features)
    protocol.check(model, problem_hparams.vocab_size)


def read(output_dir: str | os.PathLike[str]) -> RunRecord:
    """Reads run.json.

    Raises:
      CheckpointError: it is missing or damaged, or a name in it isn't a plain file name.
    """
    path = Path(output_dir) / NAME
    if not path.exists():
        raise CheckpointError(
            f"{output_dir} holds no model ({NAME} is missing); give the --output_dir of t2t-trainer"
        )
    try:
        run = RunRecord(**read_json(path))
        for name, hint in typing.get_type_hints(RunRecord).items():
            if not _has_type(getattr(run, name), hint):
                raise ValueError(f"the type of {name} is wrong")
        # Of a lone surrogate, which JSON may hold, neither a path nor a line can be made.
        json.dumps(dataclasses.asdict(run), ensure_ascii=False).encode()
    except (ValueError, TypeError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); train again or restore it") from None
    # Paths are made of these names. A problem may read vocabularies in folders below its data_dir.
    for name in (run.problem, run.model, run.hparams_set or "-"):
        plain_name(name, path, CheckpointError)
    for name in run.vocabularies:
        for part in name.split("/"):
            plain_name(part, f"{path}: in vocabulary {ascii(name)[:80]}", CheckpointError)
    return run


def _has_type(value: Any, hint: Any) -> bool:
    """Whether a value from JSON has the type of a field of `RunRecord`."""
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is dict:
        return isinstance(value, dict) and all(_has_type(v, arguments[1]) for v in value.values())
    if origin is list:
        return isinstance(value, list) and all(_has_type(v, arguments[0]) for v in value)
    return origin is Any or isinstance(value, origin)


def load_plugins(run: RunRecord, usr_dirs: list[str]) -> None:
    """Imports `usr_dirs` or, if there are none, the plugin folders of the run that are trusted.

    A run.json may be anybody's: no code is imported because it says so, unless this user has loaded
    that folder before on this machine.

    Raises:
      PluginError: the model needs a plugin folder that doesn't exist any more, can't be imported,
        or isn't trusted.
    """
    for folder in usr_dirs:
        plugins.load_usr_dir(folder)
    if usr_dirs:
        return
    untrusted = []
    for folder in run.usr_dirs:
        if not plugins.is_trusted(folder):
            untrusted.append(folder if folder.isprintable() else ascii(folder))
            continue
        if not Path(folder).exists():
            raise PluginError(
                f"the model's plugin folder {folder} doesn't exist any more; give the new path as "
                f"--t2t_usr_dir"
            )
        plugins.load_usr_dir(folder)
    names = " and ".join(untrusted)
    if names and not _is_registered(run):
        raise PluginError(
            f"the model needs the plugin folder {names}, and you have loaded no plugin from there "
            f"on this machine; if you trust its code, give its path as --t2t_usr_dir, or as "
            f"usr_dirs in Python"
        )
    if names:
        log.warning(
            "the plugin folder %s isn't loaded, though %s names it; --t2t_usr_dir loads it",
            *(names, NAME),
        )


def _is_registered(run: RunRecord) -> bool:
    """Whether problem and model of a run are known without further plugins."""
    try:
        registry.problem(run.problem)
    except UnknownNameError:
        return False
    return run.model in registry.models
