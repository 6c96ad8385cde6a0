"""`DistilledProblem`: a problem whose data a trained model wrote, with that model's vocabulary.

`t2t-distill` writes NAME.distilled.json beside the shards. Whoever gets the data folder registers
the problem from there (`register_folder`), so that `--problem=NAME` is enough.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from t2tlite import buckets, registry, table_problems
from t2tlite.checkpoint import encoder_kinds
from t2tlite.checkpoint.described_problem import DescribedProblem
from t2tlite.checkpoint.description import Description
from t2tlite.checkpoint.problem_kinds import KINDS
from t2tlite.data import manifest
from t2tlite.data.manifest import from_json
from t2tlite.data.streams import Stream
from t2tlite.errors import DataError, Error, VocabularyError
from t2tlite.files import atomic, locked, read_json
from t2tlite.problem_vocabulary import VocabType
from t2tlite.text.vocabulary import vocabulary_sha256

log = logging.getLogger(__name__)

ENDING = ".distilled.json"
FORMAT = 1

_VOCAB_TYPES = {"bytes": VocabType.CHARACTER, "tokens": VocabType.TOKEN}

# Returns the samples of a split, as lists of ids.
MakeSamples = Callable[[str], Iterator[dict[str, Any]]]


@dataclass(frozen=True)
class Distilled:
    """A distilled problem in a data folder; the content of NAME.distilled.json.

    Attributes:
      problem: its description; the features and encoders are the teacher's.
      vocabularies: sha256 by name of the files of the encoders.
      made_by: a hash of the teacher and of all else that the data depend on.
      format: version of this file's format.
    """

    problem: Description
    vocabularies: dict[str, str] = field(default_factory=dict)
    made_by: str = ""
    format: int = FORMAT


class DistilledProblem(DescribedProblem):
    """A problem whose data a teacher wrote; `define` adds a second base class, that of its kind.

    Attributes:
      distilled: what the data folder says.
      samples: makes the samples; None: the data exist already.
      totals: the most samples by split.
      working_folder: of the teacher's work, whose lock is held while data are generated.
      vocabulary_folder: where the vocabularies are that the data folder doesn't have yet.
    """

    distilled: Distilled
    folder: str
    samples: MakeSamples | None = None
    totals: Mapping[str, int] = MappingProxyType({})
    working_folder = Path()
    vocabulary_folder = Path()

    def __init__(self, was_reversed: bool = False, was_copy: bool = False) -> None:
        one = self.distilled.problem
        features = dict(one.features)
        if was_reversed and one.has_inputs:
            features = {"inputs": features["targets"], "targets": features["inputs"]}
            one = replace(
                one, input_space_id=one.target_space_id, target_space_id=one.input_space_id
            )
        if was_copy and one.has_inputs:
            features["targets"] = features["inputs"]
        one = replace(one, features=features, reversed=was_reversed, copied=was_copy)
        super().__init__(one, self.folder)

    @property
    def vocabulary_filenames(self) -> list[str]:
        return list(self.distilled.vocabularies)

    # By these a mixture knows whether its other members have the same vocabulary.

    @property
    def vocab_type(self) -> str:
        return _VOCAB_TYPES.get(self._text_encoder.get("kind", ""), VocabType.SUBWORD)

    @property
    def vocab_filename(self) -> str:
        file = encoder_kinds.file_of(self._text_encoder)
        if file is None:
            return f"vocab.{self.distilled.problem.dataset}"
        is_learned = self._text_encoder["kind"] == "sentencepiece"
        return f"{file.removesuffix('.model')}.{VocabType.SUBWORD}" if is_learned else file

    @property
    def oov_token(self) -> str | None:
        return self._text_encoder.get("replace_oov")

    @property
    def _text_encoder(self) -> dict[str, Any]:
        """The encoder of all texts, as data; {} if inputs and targets have different ones."""
        encoders = [one.encoder for one in self.distilled.problem.features.values()]
        return encoders[0] if encoders.count(encoders[0]) == len(encoders) else {}

    def source_sha256(self) -> str:
        return self.distilled.made_by

    def check_data_folder(self, data_dir: str, overwrite: bool) -> None:
        if self.dataset_filename() != self.distilled.problem.dataset:
            raise DataError(
                f"{self.name} has data in the vocabulary of its teacher, and the mixture has "
                f"another; mix it, without tags, with problems that have the teacher's vocabulary"
            )
        made = None if overwrite else manifest.read(data_dir, self.name)
        if self.samples is None:
            if made is None:
                raise DataError(f"the data of {self.name} are made by t2t-distill; run that again")
            return
        if made is None:
            return
        # The description may be of data that --overwrite was to make when it was interrupted.
        is_described = Path(data_dir, f"{self.name}{ENDING}").exists()
        if not is_described or made.source != self.distilled.made_by:
            raise DataError(
                f"{data_dir} has data of {self.name} that were made otherwise, by another teacher, "
                f"other inputs or other arguments; choose another --problem_name, or make them "
                f"again with --overwrite"
            )

    @contextlib.contextmanager
    def prepared(self, data_dir: str, num_workers: int) -> Iterator[None]:
        blocked = DataError(
            f"another t2t-distill is writing {self.name} in {data_dir}; wait until it ends, or "
            f"choose another --problem_name"
        )
        with locked(self.working_folder / "lock", blocked):
            self._copy_vocabularies(Path(data_dir))
            with atomic(Path(data_dir, f"{self.name}{ENDING}"), "w") as file:
                json.dump(asdict(self.distilled), file, indent=1)
                file.write("\n")
            yield
            shutil.rmtree(self.working_folder)

    def _copy_vocabularies(self, data_dir: Path) -> None:
        for name, sha256 in self.distilled.vocabularies.items():
            path = data_dir / name
            if path.exists() and vocabulary_sha256(path) != sha256:
                raise VocabularyError(
                    f"{path} isn't the teacher's vocabulary of this name; choose another --data_dir"
                )
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic(path) as file:
                    file.write((self.vocabulary_folder / name).read_bytes())

    def _stream(
        self, data_dir: str, tmp_dir: str, split: str, paths: dict[str, list[str]]
    ) -> Stream:
        assert self.samples
        samples = self.samples
        return Stream(
            f"{self.name}, {split}",
            lambda task: samples(split),
            paths,
            total=lambda: self.totals.get(split),
        )


def define(distilled: Distilled, folder: str | os.PathLike[str]) -> type[DistilledProblem]:
    """Returns the class of a distilled problem, whose vocabularies are in `folder`."""
    bases = DistilledProblem, KINDS[distilled.problem.kind]
    values = {
        "__module__": __name__,
        "__doc__": f"What a teacher made, in {folder}.",
        "distilled": distilled,
        "folder": os.fspath(folder),
    }
    made: type[DistilledProblem] = type("DistilledProblem", bases, values)
    return made


def read(path: Path) -> Distilled:
    """Reads the description of a distilled problem.

    Raises:
      DataError: it is damaged, or of a later t2tlite.
    """
    try:
        values = read_json(path)
        if values["format"] > FORMAT:
            raise DataError(
                f"{path} has format {values['format']!a}, and this t2tlite reads formats up to "
                f"{FORMAT}; upgrade t2tlite"
            )
        made: Distilled = from_json(Distilled, values)
        made.problem.check(path, made.vocabularies)
        if f"{made.problem.name}{ENDING}" != path.name:
            raise ValueError(f"it describes {made.problem.name!a}")
        if any(not one.encoder for one in made.problem.features.values()):
            raise ValueError("an encoder is missing")
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, Error) as error:
        raise DataError(
            f"{path} is damaged ({error}); delete it, and run t2t-distill --overwrite"
        ) from None
    return made


def register_folder(data_dir: str | os.PathLike[str]) -> None:
    """Registers the problems that a data folder describes; those of another folder are replaced.

    They are those of tables, and distilled ones. A problem whose description is damaged raises a
    DataError when it is looked up.
    """
    absent = "" if os.path.isdir(data_dir) else ", which doesn't exist"
    registry.problems.also_searched = f", data_dir={os.fspath(data_dir)}{absent}"
    table_problems.register_folder(data_dir)
    buckets.fetch(data_dir, f"*{ENDING}")
    for path in sorted(Path(data_dir).glob(f"*{ENDING}")):
        name, where = path.name.removesuffix(ENDING), os.fspath(path)
        try:
            made: Any = define(read(path), data_dir)
        except DataError as error:
            made = table_problems.damaged(error)
        registry.problems.add_found(name, made, where)


def vocabularies_of(description: Description, known: dict[str, str]) -> dict[str, str]:
    """Returns the sha256 of the files of a problem's encoders, by name.

    Args:
      description: of the problem.
      known: sha256 by name of these and other files.
    """
    files = (encoder_kinds.file_of(one.encoder) for one in description.features.values())
    return {name: known[name] for name in files if name is not None}
