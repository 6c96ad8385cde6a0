"""A split of a problem's data decoded, with its targets beside the answers as references."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from t2tlite import buckets
from t2tlite.bulk.files import decode_file, default_target
from t2tlite.checkpoint.run_record import RunRecord
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.decoder import Decoder
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.decode.references import by_input, check_inputs, columns_of, pairs_of
from t2tlite.errors import DataError
from t2tlite.files import atomic
from t2tlite.mixtures.mixture import Mixture
from t2tlite.problem import FILE_WORD

log = logging.getLogger(__name__)


def decode_dataset(
    decoder: Decoder, data_dir: str, split: str, target: str | os.PathLike[str] = ""
) -> tuple[Path, list[Path]]:
    """Decodes the inputs of a split, as T2T's decoder does without a file.

    Each distinct input is decoded once, and the targets of all its examples are references: a word
    may have several pronunciations. Line by line, TARGET.inputs has the inputs, TARGET.targets the
    first references, TARGET.targets1 the second ones, and so on; an input with fewer references
    repeats its first. The decode hparam num_samples counts distinct inputs.

    Args:
      decoder, data_dir: the model, and what t2t-datagen wrote.
      split: "train", "eval" or "test".
      target: file of the answers; "": PROBLEM.dev.MODEL...decodes (or .test) in the model folder.

    Returns:
      The file of the answers and those of the references.

    Raises:
      DataError: there is no such data, or its examples have no inputs.
      VocabularyError: it was made with another vocabulary than the model's.
      OutputError: a file can't be written.
    """
    check_inputs(decoder.folder)
    decoder.run.check_vocabularies(data_dir, is_data=True)
    tag = decoder.decode_hparams.decode_tag
    references = by_input(_each_pair(decoder.folder, data_dir, split, tag))
    delimiter = decoder.decode_hparams.delimiter
    if flattened := sum(delimiter in inputs for inputs in references):
        log.warning(
            "%d inputs hold the delimiter (line breaks, by default): they are decoded with a space "
            "in its place, so the scores may differ from those of an evaluation in training",
            flattened,
        )
    default = dataset_target(decoder.run, decoder.decode_hparams, decoder.output_dir, split)
    target = Path(target or default)
    source = _write(target, "inputs", references, delimiter)
    paths = [
        _write(target, f"targets{number or ''}", lines, delimiter)
        for number, lines in enumerate(columns_of(references.values()))
    ]
    # Readers take all that are there, also those of an earlier decode with more references.
    others = (target.with_name(f"{target.name}.targets{n}") for n in itertools.count(len(paths)))
    for path in itertools.takewhile(lambda one: buckets.size_of(one) is not None, others):
        buckets.remove(path)
    log.info("%s: %d distinct inputs", source, len(references))
    return decode_file(decoder, source, target), paths


def dataset_target(
    run: RunRecord, decode_hparams: DecodeHParams, output_dir: str, split: str
) -> str:
    """Returns the default target of `decode_dataset`."""
    stem = Path(output_dir, f"{run.problem}.{FILE_WORD[split]}")
    # The name of the problem is in the stem already.
    return default_target(run, decode_hparams, stem).replace(f".{run.problem}.beam", ".beam")


def _each_pair(
    folder: ModelFolder, data_dir: str, split: str, decode_tag: str
) -> Iterator[tuple[str, str]]:
    """Yields inputs and targets of each example as text, without prefixes and tags.

    Of a mixture, those of the problems with the tag.

    Raises:
      DataError: no problem has the tag, or a mixture is decoded without one.
    """
    problem = folder.problem_with_data()
    if not isinstance(problem, Mixture):
        yield from pairs_of(folder, problem, data_dir, split)
        return
    if not decode_tag:
        known = ", ".join([*folder.tags.names, *(one.member for one in folder.tags.members)])
        raise DataError(
            f"{problem.name} is a mixture; choose whose data to decode by decode_tag, one of: "
            f"{known}"
        )
    for one in folder.tags.matching(decode_tag):
        yield from pairs_of(folder, problem.members[one.member], data_dir, split)


def _write(target: Path, suffix: str, texts: Iterable[str], delimiter: str) -> Path:
    path = target.with_name(f"{target.name}.{suffix}")
    with atomic(path, "w") as file:
        file.writelines(text.replace(delimiter, " ") + delimiter for text in texts)
    return path
