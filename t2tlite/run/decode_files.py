"""Files decoded line by line; an interrupted decode goes on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from t2tlite.errors import DataError
from t2tlite.files import atomic
from t2tlite.run import record
from t2tlite.run.decode_hparams import DecodeHParams
from t2tlite.run.hypothesis import DecodeHookArgs, Hypothesis
from t2tlite.run.working_file import WorkingFile, working_file

if TYPE_CHECKING:
    from t2tlite.run.decoding import Decoder

# Lines that are sorted by length together, and whose tokens are in memory together.
BLOCK_LINES = 65_536

_BLANK = [Hypothesis("", 0.0, [])]

_Answers = dict[int, list[Hypothesis]] | WorkingFile


def decode_file(
    decoder: Decoder,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] = "",
    prefix_file: str | os.PathLike[str] = "",
) -> Path:
    """Decodes a file of lines; line n of the output answers line n of the input.

    Called again after it was interrupted, it goes on with the batch that it was at, and the output
    is what it would have been; the answers are kept in a file .NAME.working beside the output
    meanwhile. With the decode hparam decode_in_memory they are not.

    Args:
      decoder: the model and how to decode.
      source: UTF-8 text.
      target: output file; "": T2T's name, made of the source, model, sets and beam.
      prefix_file: what the answers to each line begin with, line by line; a blank one: anything.

    Returns:
      The path written.

    Raises:
      DataError: a file is missing, isn't UTF-8, or has another number of lines than the source.
      OutputError: the target can't be written, or another process is writing it.
    """
    how = decoder.decode_hparams
    lines = read_lines(source, how.delimiter)
    prefixes = read_beside(prefix_file, source, lines) if prefix_file else None
    if how.num_samples >= 0:
        lines = lines[: how.num_samples]
        prefixes = prefixes and prefixes[: how.num_samples]
    target = Path(target) if target else Path(default_target(decoder, source))
    if how.decode_in_memory:
        _decode(decoder, lines, prefixes, target, {})
    else:
        with working_file(target, _digest(decoder, lines, prefixes)) as answers:
            _decode(decoder, lines, prefixes, target, answers)
    return target


def _decode(
    decoder: Decoder,
    lines: list[str],
    prefixes: list[str] | None,
    target: Path,
    answers: _Answers,
) -> None:
    """Finds the answers that are not there yet, and writes all."""
    how, hooks = decoder.decode_hparams, decoder.problem.decode_hooks
    # Hooks get all that was found; the output alone needs less.
    kept = None if hooks or how.return_beams else 1
    for first in range(0, len(lines), BLOCK_LINES):
        block = slice(first, first + BLOCK_LINES)
        known = {i - first for i in answers if first <= i < block.stop}
        begin = prefixes[block] if prefixes else None
        for batch, found in decoder.batches(lines[block], prefixes=begin, known=known, first=first):
            pairs = zip(batch, found, strict=True)
            answers.update([(first + i, hypotheses[:kept]) for i, hypotheses in pairs])
    with atomic(target, "w") as file:
        for i in range(len(lines)):
            file.write(_line(answers.get(i, _BLANK), how) + how.delimiter)
    if hooks:
        hypotheses = [answers.get(i, _BLANK) for i in range(len(lines))]
        arguments = DecodeHookArgs(decoder.output_dir, lines, hypotheses, decoder.problem, how)
        for hook in hooks:
            hook(arguments)


def _digest(decoder: Decoder, lines: list[str], prefixes: list[str] | None) -> str:
    """Returns a name of all that the answers depend on."""
    with open(decoder.weights, "rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    run = (Path(decoder.output_dir) / record.NAME).read_text(encoding="utf-8")
    how = dataclasses.asdict(decoder.decode_hparams)
    told = json.dumps([weights, run, how, decoder.device.backend, lines, prefixes])
    return hashlib.sha256(told.encode()).hexdigest()


def _line(answers: Sequence[Hypothesis], how: DecodeHParams) -> str:
    kept = answers if how.return_beams else answers[:1]
    fields: list[str] = []
    for one in kept:
        # A line break inside an answer would shift all lines after it.
        fields.append(one.text.replace("\n", " ") if how.delimiter == "\n" else one.text)
        if how.write_beam_scores:
            fields.append(f"{one.score:.6f}")
    return "\t".join(fields)


def default_target(decoder: Decoder, source: str | os.PathLike[str]) -> str:
    """Returns T2T's name of the output: SOURCE.MODEL.PROBLEM.beamB.alphaA.decodes."""
    how = decoder.decode_hparams
    parts = [
        os.fspath(source),
        decoder.run.model,
        decoder.run.problem,
        f"beam{how.beam_size}",
        f"alpha{how.alpha}",
        "decodes",
    ]
    return ".".join(parts)


def read_lines(path: str | os.PathLike[str], delimiter: str = "\n") -> list[str]:
    """Reads a UTF-8 file as lines, without the one that its last line break opens.

    Raises:
      DataError: it is missing, or isn't UTF-8.
    """
    if not Path(path).is_file():
        raise DataError(f"{path} doesn't exist; check the name")
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8; convert the file"
        ) from None
    lines = text.replace("\r\n", "\n").split(delimiter)
    return lines[:-1] if lines[-1] == "" else lines


def read_beside(
    path: str | os.PathLike[str], source: str | os.PathLike[str], lines: Sequence[str]
) -> list[str]:
    """Reads a file that has a line, even if a blank one, for each of `lines`, those of `source`.

    Raises:
      DataError: it is missing, isn't UTF-8, or has another number of lines.
    """
    found = read_lines(path)
    if len(found) != len(lines):
        raise DataError(
            f"{source} has {len(lines)} lines and {path} has {len(found)}; they must agree"
        )
    return found
