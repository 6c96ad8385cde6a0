"""Distillation (Hinton et al. 2015; Kim and Rush 2016): a teacher writes the data of a student.

The teacher is a trained model or an ensemble. Its answers become the targets of a problem with its
vocabulary, which any command finds in the data folder:

    t2t-distill --output_dir=teacher --data_dir=data --problem_name=taught
    t2t-trainer --problem=taught --data_dir=data --output_dir=student ...

With `top_k` the examples have the teacher's distributions, too; `data.teacher` says how.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite import buckets
from t2tlite.batches.examples import Examples, each_row
from t2tlite.bulk.part_file import PartFile, digest_of
from t2tlite.checkpoint import encoder_kinds
from t2tlite.checkpoint.description import describe
from t2tlite.checkpoint.distilled_problem import (
    Distilled,
    DistilledProblem,
    define,
    register_folder,
    vocabularies_of,
)
from t2tlite.config import EOS_ID, PAD_ID
from t2tlite.data import manifest
from t2tlite.data.teacher import TEACHER_COSTS, TEACHER_IDS, costs_of
from t2tlite.data.weights import WEIGHT
from t2tlite.datagen.generate_data import generate_data
from t2tlite.decode.batches import encode_lines, group_by_size, make_batches
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.engine import Row, not_finite_error
from t2tlite.decode.scoring import BATCH_TOKENS, in_parts
from t2tlite.errors import DataError
from t2tlite.files import kept_if_filled, locked, make_folder
from t2tlite.mixtures.mixture import Mixture
from t2tlite.problem import DatasetSplit
from t2tlite.sources.text_files import each_line
from t2tlite.table_problems import check_name
from t2tlite.tables.splits import Shares, hash_of

log = logging.getLogger(__name__)

# Where the targets of the training examples come from.
TARGETS = ("teacher", "data", "both")
# Examples that are sorted by length together, and are in memory together.
BLOCK = 8192
_EXAMPLES_PER_SHARD = 50_000
_MOST_TOKENS = 1024
_SPLITS = (DatasetSplit.TRAIN, DatasetSplit.EVAL, DatasetSplit.TEST)

# Lists of ids by feature; the weight, if there is one, is a number.
_Example = dict[str, Any]


def distill(
    decoder: Decoder,
    data_dir: str | os.PathLike[str],
    problem_name: str,
    source: str | os.PathLike[str] = "",
    *,
    targets: str = "teacher",
    top_k: int = 0,
    dev_share: float = 0.01,
    num_workers: int = 1,
    overwrite: bool = False,
) -> dict[str, int]:
    """Makes a problem of what a trained model says, in a data folder.

    >>> made = distill(Decoder("model"), "back", "taught_digits", "lines.txt", dev_share=0.5)
    >>> sum(made.values())
    2

    The teacher answers the inputs of the data that it was trained on; evaluation and test data stay
    as they are. Or it answers the lines of a file. With `top_k`, each target token has the
    teacher's likeliest tokens beside it, which a training with task_balance below 1 reads. Called
    again after an interruption, it goes on where it was, and the bytes are the same; complete, it
    does nothing. Inputs without an answer, or too long for the memory, are left out.

    Args:
      decoder: the teacher; its decode hparams say how it answers, and with return_beams each of its
        answers becomes an example.
      data_dir: has the teacher's data, unless there is a `source`, and gets those of the problem.
      problem_name: of the new problem, which any command finds in `data_dir`.
      source: lines of text for the teacher to answer, UTF-8; "": the inputs of the training data.
      targets: of the training examples: "teacher", its answers; "data", as they are; or "both".
      top_k: tokens of the teacher's distribution that are kept for each target token; 0: none.
      dev_share: share of the different lines of `source` for evaluation.
      num_workers: processes that encode.
      overwrite: make the data again even if they are complete.

    Returns:
      The numbers of examples by split.

    Raises:
      DataError: the data or the file are missing, the name or an argument isn't possible, or the
        teacher doesn't write text or labels.
      OutputError: the folder can't be written.
    """
    _check(decoder, targets, top_k, bool(source))
    register_folder(data_dir)
    check_name(problem_name, DistilledProblem)
    with kept_if_filled(data_dir):
        data_dir = os.fspath(make_folder(data_dir))
        given: _Data | _Lines
        if source:
            given = _Lines(decoder, buckets.local("decode_from_file", source), dev_share)
        else:
            given = _Data(decoder, data_dir)
        digest = digest_of(decoder, given.files, targets, top_k, dev_share if source else 0, BLOCK)
        teacher = _Teacher(decoder, given, targets, top_k)
        problem = _make_problem(problem_name, Path(data_dir), teacher, digest)
        generate_data(problem, data_dir, overwrite=overwrite, num_workers=num_workers)
    written = manifest.read(data_dir, problem_name)
    return {split: one.examples for split, one in written.splits.items()} if written else {}


def _check(decoder: Decoder, targets: str, top_k: int, has_source: bool) -> None:
    """Raises DataError if a model can't teach, or the arguments don't fit each other."""
    folder, name = decoder.folder, decoder.run.problem
    if targets not in TARGETS:
        raise DataError(f"targets={targets!r:.40}; expected one of {', '.join(TARGETS)}")
    if isinstance(folder.problem, Mixture):
        raise DataError(
            f"the teacher learned a mixture, {name}; give a teacher of one problem, which "
            f"t2t-trainer --warm_start_from may begin with this one"
        )
    if not (folder.generates or folder.classifies):
        raise DataError(f"{name} has numbers as targets; a teacher must write texts or labels")
    if not folder.problem.has_inputs and (has_source or targets != "data"):
        raise DataError(
            f"{name} is a language model's problem, without inputs to answer; give targets=data "
            f"and top_k, for its distributions"
        )
    if not 0 <= top_k <= _MOST_TOKENS:
        raise DataError(f"top_k={top_k}; expected a number of tokens from 0 to {_MOST_TOKENS}")
    if targets == "data" and not top_k:
        raise DataError("targets=data without top_k has nothing of the teacher; give top_k=8")
    if has_source and targets != "teacher":
        raise DataError(f"targets={targets}, but the lines of a file have no targets; leave it out")
    for name in () if has_source else ("num_samples", "max_input_size"):
        if getattr(decoder.decode_hparams, name) != -1:
            raise DataError(f"decode hparam {name} is about the lines of a file; leave it out")


def _make_problem(name: str, folder: Path, teacher: _Teacher, digest: str) -> DistilledProblem:
    """Returns the problem, ready to be generated."""
    problem = define(_describe(teacher.decoder, name, digest, teacher.most), folder)()
    problem.working_folder = manifest.working_folder(folder, f"{name}.teacher")
    problem.vocabulary_folder = Path(teacher.decoder.output_dir)

    def samples(split: str) -> Iterator[_Example]:
        with locked(problem.working_folder / f"{split}.part") as file:
            yield from teacher.samples(split, PartFile(file, digest))

    problem.samples, problem.totals = samples, teacher.most
    return problem


def _describe(decoder: Decoder, name: str, digest: str, counts: dict[str, int]) -> Distilled:
    """Returns the description of a new problem.

    Args:
      decoder: the teacher.
      name: of the problem.
      digest: of what its data depend on.
      counts: the most examples by split.

    Raises:
      DataError: the teacher has a vocabulary that can't be described.
    """
    run = decoder.run
    taught = run.description
    if taught is None:
        taught, _ = describe(decoder.problem, run.model, decoder.hparams, decoder.output_dir)
    features = {}
    for feature, one in taught.features.items():
        if not one.encoder:
            raise DataError(
                f"the encoder of the {feature} of {decoder.output_dir} is code of a plugin, which "
                f"no data folder can hold; train the teacher with an encoder of t2tlite.text"
            )
        encoder = dict(one.encoder)
        if run.description is None and (file := encoder_kinds.file_of(encoder)):
            encoder["file"] = os.path.relpath(file, decoder.output_dir)
        features[feature] = dataclasses.replace(one, encoder=encoder)
    kind = "text2text" if taught.has_inputs else "text2self"
    kind = "text2class" if decoder.classifies else kind
    description = dataclasses.replace(
        taught,
        name=name,
        kind=kind,
        dataset=name,
        features=features,
        reversed=False,
        copied=False,
        splits={split: 1 + count // _EXAMPLES_PER_SHARD for split, count in counts.items()},
        # That of the student's hparams.
        max_length=0,
    )
    return Distilled(description, vocabularies_of(description, run.vocabularies), digest)


class _Data:
    """The data that the teacher was trained on.

    Attributes:
      counts: examples by split.
      files: what they are read from.
      taught: the splits of which the teacher answers the inputs.
    """

    taught = (DatasetSplit.TRAIN,)

    def __init__(self, decoder: Decoder, data_dir: str):
        decoder.run.check_vocabularies(data_dir, is_data=True)
        problem, hparams = decoder.folder.problem_with_data(), decoder.hparams
        self._examples: dict[str, Examples] = {}
        self.files: list[str] = []
        for split in (split for split in _SPLITS if split in problem.filepaths_by_split(data_dir)):
            shards = problem.shards(data_dir, split)
            self._examples[split] = problem.read_examples(shards, split, hparams, False)
            self.files += shards
        self.counts = {split: len(one.lengths) for split, one in self._examples.items()}

    def rows(self, split: str) -> Iterator[_Example]:
        """Yields the examples of a split, EOS included."""
        examples = self._examples[split]
        if examples.weights is None:
            yield from each_row(examples)
            return
        for row, weight in zip(each_row(examples), examples.weights.tolist(), strict=True):
            yield {**row, WEIGHT: weight}


class _Lines:
    """The lines of a file, without targets; the attributes are those of `_Data`.

    Equal lines are in the same split.
    """

    taught = (DatasetSplit.TRAIN, DatasetSplit.EVAL)

    def __init__(self, decoder: Decoder, path: str, dev_share: float):
        if not 0 < dev_share < 1:
            raise DataError(f"dev_share={dev_share}; expected a share of the lines, such as 0.01")
        self._decoder, self._path, self.files = decoder, path, [path]
        lowest, highest = 2**64, -1
        for _, number in self._lines():
            lowest, highest = min(lowest, number), max(highest, number)
        if lowest >= highest:
            raise DataError(f"{path} has fewer than two different lines; give more")
        # At least one line is for evaluation, and one for training.
        limit = Shares.of(dev_share, 0.0).dev
        self._limits = Shares(dev=min(max(limit, lowest + 1), highest))
        self.counts = dict.fromkeys(self.taught, 0)
        for _, number in self._lines():
            self.counts[self._limits.split_of(number)] += 1

    def _lines(self) -> Iterator[tuple[str, int]]:
        """Yields the lines that aren't blank, with their hashes."""
        decode_hparams = self._decoder.decode_hparams
        lines = each_line(self._path, decode_hparams.delimiter)
        most = decode_hparams.num_samples
        for line in itertools.islice(lines, most if most >= 0 else None):
            if line.strip():
                yield line, hash_of({"inputs": line})

    def rows(self, split: str) -> Iterator[_Example]:
        """Yields what the teacher reads of the lines of a split."""
        lines = (line for line, number in self._lines() if self._limits.split_of(number) == split)
        folder, decode_hparams = self._decoder.folder, self._decoder.decode_hparams
        while block := dict(enumerate(itertools.islice(lines, BLOCK))):
            for row in encode_lines(folder, block, decode_hparams).values():
                yield {"inputs": [*row.ids]}


class _Teacher:
    """Makes the examples of a problem.

    Args:
      decoder: the model.
      given: what it answers.
      targets, top_k: as of `distill`.

    Attributes:
      decoder: as given.
      most: the most examples by split.
    """

    def __init__(self, decoder: Decoder, given: _Data | _Lines, targets: str, top_k: int):
        self.decoder, self._given = decoder, given
        self._keeps, self._answers_them = targets != "teacher", targets != "data"
        self._top_k = min(top_k, decoder.problem_hparams.vocab_size["targets"])
        returns_all = decoder.decode_hparams.return_beams
        self._answers = max(1, decoder.decode_hparams.beam_size) if returns_all else 1
        copies = self._answers * self._answers_them + self._keeps
        self.most = {
            split: count * copies if split in given.taught else count
            for split, count in given.counts.items()
        }

    def samples(self, split: str, part: PartFile) -> Iterator[_Example]:
        """Yields the examples of a split.

        Args:
          split: of the problem.
          part: the teacher's results so far, to which the others are added.
        """
        rows, seeds = self._given.rows(split), itertools.count()
        is_training = split == DatasetSplit.TRAIN
        if split not in self._given.taught:
            yield from rows
            return
        left_out = 0
        while block := list(itertools.islice(rows, BLOCK)):
            made = list(block) if self._keeps else []
            if self._answers_them:
                answers = self._answers_to(block, part, seeds)
                left_out += sum(not any(each) for each in answers)
                made += self._answered(block, answers)
            if self._top_k and is_training:
                taught = list(self._taught(made, part))
                left_out, made = left_out + len(made) - len(taught), taught
            yield from made
        if left_out:
            about = "%s: %s examples without an answer, or too long for the memory, are left out"
            log.info(about, split, f"{left_out:,}")

    def _answers_to(
        self, block: Sequence[_Example], part: PartFile, seeds: Iterator[int]
    ) -> list[list[list[int]]]:
        """Returns the teacher's answers to each example, as ids without EOS."""
        decoder, decode_hparams = self.decoder, self.decoder.decode_hparams
        # An empty input is what an empty line is.
        rows = {number: Row(one["inputs"] or [PAD_ID]) for number, one in enumerate(block)}
        answers: dict[int, list[list[int]]] = {}
        for batch in make_batches(rows, decode_hparams, decoder.engine.row_shares):
            found, seed = part.read(), next(seeds)
            if found is None:
                results = decoder.search(batch, decode_hparams, seed)
                found = [[one.ids for one in row[: self._answers]] for row in results]
                part.append(found)
            answers.update(zip(batch.indices, found, strict=True))
        return [answers[number] for number in range(len(block))]

    def _answered(
        self, block: Sequence[_Example], answers: Sequence[Sequence[list[int]]]
    ) -> list[_Example]:
        """Returns the examples with the answers that aren't empty as targets."""
        ending = [] if self.decoder.classifies else [EOS_ID]
        return [
            {**example, "targets": [*ids, *ending]}
            for example, each in zip(block, answers, strict=True)
            for ids in each
            if ids
        ]

    def _taught(self, examples: Sequence[_Example], part: PartFile) -> Iterator[_Example]:
        """Yields the examples with the teacher's likeliest tokens; not those that are too long."""
        engine = self.decoder.engine
        names = ["inputs", "targets"] if self.decoder.problem.has_inputs else ["targets"]
        sizes = {
            i: max(len(one[name]) for name in names)
            for i, one in enumerate(examples)
            if one["targets"]
        }
        # An example without targets has no tokens to say anything of.
        taught: dict[int, Any] = dict.fromkeys(range(len(examples)), [[], []])
        for group in group_by_size(sizes, lambda size: max(1, BATCH_TOKENS // size)):
            found = part.read()
            if found is None:
                features = {name: [examples[i][name] for i in group] for name in names}
                call = functools.partial(engine.likeliest, count=self._top_k)
                found = [row and self._recorded(*row) for row in in_parts(engine, features, call)]
                part.append(found)
            taught.update(zip(group, found, strict=True))
        for number, example in enumerate(examples):
            if row := taught[number]:
                yield {**example, TEACHER_IDS: row[0], TEACHER_COSTS: row[1]}

    def _recorded(self, ids: Any, log_probs: Any) -> list[list[int]]:
        """Returns the ids and costs of a row's likeliest tokens, as they are recorded."""
        if not np.isfinite(log_probs).all():
            raise not_finite_error(self.decoder.weights)
        return [ids.reshape(-1).tolist(), costs_of(log_probs).reshape(-1).tolist()]
