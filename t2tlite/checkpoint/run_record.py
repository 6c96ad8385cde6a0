"""run.json, from which a trained model is rebuilt: problem, model, hparams, vocabularies.

With the copies of the vocabularies and the checkpoints beside it, decoding needs nothing else, and
no code of a plugin unless `needs_plugin` says so. docs/checkpoints.md describes the format.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from t2tlite import buckets, plugins, registry
from t2tlite.batches.plan import ORDER
from t2tlite.checkpoint import encoder_kinds
from t2tlite.checkpoint.data_size import DataSize, data_sizes
from t2tlite.checkpoint.description import (
    BUILT_IN_CODE,
    DECODING,
    VERBS,
    Description,
    Need,
    describe,
)
from t2tlite.config import AUTO, HParams, ProblemHParams
from t2tlite.data.manifest import from_json
from t2tlite.errors import CheckpointError, DataError, HParamsError, VocabularyError
from t2tlite.files import atomic, opened_below, plain_name, read_json
from t2tlite.model import BUILT_IN, CLASSIFIERS
from t2tlite.problem import Problem
from t2tlite.text.vocabulary import vocabulary_sha256
from t2tlite.version import __version__

log = logging.getLogger(__name__)

NAME = "run.json"
# Format 1 had no number: `labels` in place of a description.
FORMAT = 2
_PRECISION = "activation_dtype"


@dataclass
class RunRecord:
    """Which model is trained on which problem, with which hparams; the content of run.json.

    >>> run = RunRecord.describe("reverse_digits", "transformer", HParams(hidden_size=64), [])
    >>> run.problem, run.hparams["hidden_size"]
    ('reverse_digits', 64)

    Attributes:
      problem: registered name, with `_rev` or `_copy`.
      model: registered name.
      hparams: values by name; `activation_dtype` is the precision that training multiplies in.
      usr_dirs: plugin folders, absolute.
      vocabularies: sha256 by file name; the files are beside run.json.
      versions: of t2tlite and its libraries.
      command: the command line of the training.
      hparams_set: registered name of the set that the hparams started from; "" if unknown.
      labels: class labels by feature, in format 1.
      changed_hparams: those that aren't the set's, by name.
      decode_hparams: how the model is decoded by default, where that isn't t2tlite's default.
      elsewhere: by name, the paths of those vocabularies that weren't in the data folder.
      description: the problem as data; None before `take_vocabularies`, and in format 1.
      needs_plugin: what isn't data.
      data: sizes by split: train, eval, test; none of data that T2T generated.
      order: version of the order of training examples, `batches.plan.ORDER`; 0: the one before.
      format: version of the file's format.
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
    changed_hparams: dict[str, Any] = field(default_factory=dict)
    decode_hparams: dict[str, Any] = field(default_factory=dict)
    elsewhere: dict[str, str] = field(default_factory=dict)
    description: Description | None = None
    needs_plugin: list[Need] = field(default_factory=list)
    data: dict[str, DataSize] = field(default_factory=dict)
    order: int = 0
    format: int = FORMAT

    # The problem itself, where it was given in place of its name; not a field.
    _instance = cast("Problem | None", None)

    @classmethod
    def describe(
        cls, problem: str | Problem, model: str, hparams: HParams, usr_dirs: list[str]
    ) -> RunRecord:
        """Returns the record of a run that is about to start; `usr_dirs` are trusted from then.

        Args:
          problem: a registered name, or an instance.
          model: a registered name.
          hparams: of the model.
          usr_dirs: plugin folders that were loaded.
        """
        versions = {"t2tlite": __version__}
        for name in ("tensorflow", "jax", "keras", "sentencepiece", "numpy"):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions[name] = importlib.metadata.version(name)
        folders = [Path(folder).expanduser().resolve() for folder in usr_dirs]
        for folder in folders:
            plugins.remember(folder)
        if isinstance(problem, str) and registry.is_mixture(problem):
            problem = cast(Problem, registry.problem(problem))
        run = cls(
            problem=problem if isinstance(problem, str) else problem.full_name,
            model=model,
            hparams=hparams.values(),
            usr_dirs=[buckets.shown(folder) for folder in folders],
            versions=versions,
            command=sys.argv,
            order=ORDER,
        )
        run._instance = None if isinstance(problem, str) else problem
        return run

    @property
    def precision(self) -> str:
        """In which training multiplies, "float32" or "bfloat16"; "auto" before it begins."""
        return str(self.hparams.get(_PRECISION, AUTO))

    def trained_problem(self) -> Problem:
        """Returns the problem to train: the instance that was given, or the registered one.

        Raises:
          UnknownNameError: no problem is registered by its name.
        """
        if self._instance is None and self.description and registry.is_mixture(self.problem):
            # The name of a mixture without the tags.
            return registry.problem("+".join(m.name + m.tag for m in self.description.members))
        return self._instance or registry.problem(self.problem)

    def take_vocabularies(self, output_dir: str | Path, data_dir: str | Path) -> None:
        """Records the vocabularies and sizes of `data_dir`, and the problem's description.

        Raises:
          VocabularyError: `output_dir` has a model with other vocabularies or labels.
          DataError: it has a model, but `data_dir` doesn't exist.
        """
        problem = self.trained_problem()
        self.description, self.needs_plugin, self.elsewhere = None, [], {}
        # A problem's own encoders may open files of any name. A missing vocabulary is an error
        # below, or later where the model is built.
        with opened_below(data_dir) as opened, contextlib.suppress(VocabularyError):
            self._take_description(problem, data_dir)
        names = {*problem.vocabulary_filenames, *opened, *self.elsewhere}
        self.vocabularies = {
            name: vocabulary_sha256(path)
            for name in sorted(names)
            if (path := self._source(name, data_dir)).exists()
        }
        self.data = data_sizes(problem, data_dir)
        if (Path(output_dir) / NAME).exists():
            self._compare(read(output_dir), output_dir, data_dir)

    def _take_description(self, problem: Problem, data_dir: str | Path) -> None:
        hparams = HParams.from_values(self.hparams)
        description, self.needs_plugin = describe(problem, self.model, hparams, data_dir)
        features = {
            name: dataclasses.replace(one, encoder=self._named(one.encoder, data_dir))
            for name, one in description.features.items()
        }
        self.description = dataclasses.replace(description, features=features)
        self._choose_classifier(features["targets"].modality)

    def _choose_classifier(self, modality: str) -> None:
        """Changes a built-in model that generates text to its classifier if there is no text."""
        name = self.model
        if modality not in ("class_label", "real_l2") or name not in CLASSIFIERS:
            return
        if registry.model(name) is BUILT_IN[name].load():
            self.model = CLASSIFIERS[name]
            log.warning(
                "the targets of %s aren't text: --model=%s is trained, an encoder that classifies; "
                "T2T's %s has a decoder for them, too",
                *(self.problem, self.model, name),
            )

    def _named(self, encoder: dict[str, Any], data_dir: str | Path) -> dict[str, Any]:
        """Returns a described encoder with its file's name in the model folder for its path."""
        if encoder_kinds.file_of(encoder) is None:
            return encoder
        path, folder = (Path(os.path.abspath(one)) for one in (encoder["file"], data_dir))
        if path.is_relative_to(folder):
            return {**encoder, "file": path.relative_to(folder).as_posix()}
        name = path.name
        while self.elsewhere.get(name, str(path)) != str(path) or (folder / name).exists():
            name = f"other.{name}"
        self.elsewhere[name] = str(path)
        return {**encoder, "file": name}

    def _source(self, name: str, data_dir: str | Path) -> Path:
        """Returns the path of a vocabulary that training reads."""
        return Path(self.elsewhere.get(name, Path(data_dir) / name))

    def _compare(self, trained: RunRecord, output_dir: str | Path, data_dir: str | Path) -> None:
        """Checks that labels and vocabularies are those of an earlier run of the same model."""
        old_labels, labels = trained.class_labels(), self.class_labels()
        if old_labels and old_labels != labels:
            old, new = ("; ".join(map(", ".join, one.values())) for one in (old_labels, labels))
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

    def class_labels(self) -> dict[str, list[str]]:
        """Returns the labels by feature, of features that are class labels."""
        if self.description is None:
            return self.labels
        features = self.description.features.items()
        return {name: one.encoder["labels"] for name, one in features if "labels" in one.encoder}

    def needs(self, use: str) -> list[Need]:
        """Returns what isn't data of what a use needs; see `description.Need`."""
        return [need for need in self.needs_plugin if need.use in (DECODING, use)]

    def explain_needs(self) -> list[str]:
        """Returns a sentence for each use that needs code of a plugin."""
        return [
            f"{verb} will need the plugin, because only its code has {' and '.join(needs)}"
            for use, verb in VERBS.items()
            if (needs := [str(one) for one in self._of_plugins() if one.use == use])
        ]

    def _of_plugins(self) -> list[Need]:
        return [need for need in self.needs_plugin if need.where != BUILT_IN_CODE]

    def reasons(self, use: str) -> str:
        """Returns what `needs` returns, as text for a message."""
        text = " and ".join(map(str, self.needs(use)))
        return text if text.isprintable() else ascii(text)

    def write(self, output_dir: str | Path, data_dir: str | Path) -> None:
        """Copies the vocabularies into `output_dir` and writes run.json.

        Raises:
          OutputError: `output_dir` can't be written.
        """
        for name in self.vocabularies:
            if not (Path(output_dir) / name).exists():
                data = self._source(name, data_dir).read_bytes()
                with atomic(Path(output_dir) / name) as file:
                    file.write(data)
        if self.hparams_set in registry.hparams_sets:
            base = registry.hparams(self.hparams_set).values()
            if base[_PRECISION] == AUTO:
                base[_PRECISION] = self.precision  # which the set leaves open
            changes = {n: value for n, value in self.hparams.items() if base.get(n) != value}
            self.changed_hparams = changes
        values = dataclasses.asdict(self)
        del values["labels"]
        with atomic(Path(output_dir) / NAME, "w") as file:
            json.dump(values, file, indent=1, sort_keys=True)
            file.write("\n")

    def check_vocabularies(self, folder: str | os.PathLike[str], is_data: bool = False) -> None:
        """Checks that `folder` has the vocabularies that the model was trained with.

        Args:
          folder: the model folder, or a data folder.
          is_data: whether it is a data folder, which lacks those of `elsewhere`.

        Raises:
          VocabularyError: a vocabulary is missing or has another sha256.
        """
        for name, expected in self.vocabularies.items():
            path = Path(folder) / name
            if is_data and name in self.elsewhere:
                continue
            if not path.is_file():
                advice = "give the training's data_dir" if is_data else "copy it from the data_dir"
                raise VocabularyError(f"{path} is missing and the model needs it; {advice}")
            if vocabulary_sha256(path) != expected:
                raise VocabularyError(
                    f"{path} isn't the vocabulary that the model was trained with (its sha256 "
                    f"isn't {expected[:12]}...); copy that one from the data_dir of the training"
                )

    def make_model(self, problem_hparams: ProblemHParams, precision: str = "float32") -> Any:
        """Returns the built model with new weights.

        Args:
          problem_hparams: of the problem.
          precision: of the products. Only training needs another: a checkpoint gives the same
            answers and scores whatever trained it and whatever runs it.

        Raises:
          HParamsError: hparams don't fit each other, the model or the problem.
        """
        from t2tlite.model import protocol

        hparams = HParams.from_values({**self.hparams, _PRECISION: precision})
        # A plugin's registration may replace a built-in one, but not in a trained model.
        is_data = self.description is not None and not self.needs(DECODING)
        if is_data and self.model in BUILT_IN:
            make = BUILT_IN[self.model].load()
        else:
            make = registry.model(self.model)
        model = make(hparams, problem_hparams)
        if hparams.prepend_mode != "none" and not getattr(model, "prepends", False):
            raise HParamsError(
                f"model {self.model} has no prepend_mode={hparams.prepend_mode}; leave it out, or "
                f"use --model=transformer"
            )
        protocol.build(model, problem_hparams)
        return model


def read(output_dir: str | os.PathLike[str]) -> RunRecord:
    """Reads run.json.

    Raises:
      CheckpointError: it is missing or damaged, has a later format, or a name in it isn't a plain
        file name.
    """
    path = Path(output_dir) / NAME
    if not path.exists():
        raise CheckpointError(
            f"{output_dir} holds no model ({NAME} is missing); give the --output_dir of t2t-trainer"
        )
    try:
        values = read_json(path)
        later = isinstance(values, dict) and _later_format(values)
        run = None if later else from_json(RunRecord, values)
        if run is not None:
            _check(run, path)
    except (ValueError, TypeError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); train again or restore it") from None
    if run is None:
        raise CheckpointError(
            f"{path} has format {later}, and this t2tlite reads formats up to {FORMAT}; upgrade "
            f"t2tlite"
        )
    return run


def _later_format(values: dict[str, Any]) -> int:
    """Returns the number of a format that is later than this t2tlite; 0 if it isn't."""
    number = values.setdefault("format", 1)
    if type(number) is not int or number < 1:
        raise ValueError(f"its format is {ascii(number)[:40]}")
    return number if number > FORMAT else 0


def _check(run: RunRecord, path: Path) -> None:
    """Raises ValueError, TypeError or CheckpointError for a record with impossible values."""
    # Of a lone surrogate, which JSON may hold, neither a path nor a line can be made.
    json.dumps(dataclasses.asdict(run), ensure_ascii=False).encode()
    # Paths are made of these names. A problem may read vocabularies in folders below its data_dir.
    for name in (run.problem, run.model, run.hparams_set or "-"):
        plain_name(name, path, CheckpointError)
    for name in run.vocabularies:
        for part in name.split("/"):
            plain_name(part, f"{path}: in vocabulary {ascii(name)[:80]}", CheckpointError)
    description = run.description
    if description is not None:
        description.check(path, run.vocabularies)
        names = ["inputs", "targets"] if description.has_inputs else ["targets"]
        for name in names:
            if not (description.features[name].encoder or run.needs(DECODING)):
                raise ValueError(f"the encoder of the {name} is missing")
