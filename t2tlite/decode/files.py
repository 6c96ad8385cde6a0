"""Files decoded line by line; an interrupted decode goes on where it stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2tlite import console
from t2tlite.checkpoint import run_record
from t2tlite.decode.decode_hparams import DecodeHookArgs, DecodeHParams, Hypothesis
from t2tlite.decode.working_file import WorkingFile, working_file
from t2tlite.files import atomic
from t2tlite.sources.text_lines import check_beside, count_lines, each_line, read_lines

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

# Lines that are sorted by length together, and whose tokens are in memory together; fewer where
# they have more than so many characters.
BLOCK_LINES = 65_536
BLOCK_CHARACTERS = 1 << 24

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
    lines = count_lines(source, how.delimiter)
    if prefix_file:
        check_beside(prefix_file, source, lines, how.delimiter)
    if how.num_samples >= 0:
        lines = min(lines, how.num_samples)
    texts = _Texts(source, prefix_file, how.delimiter, lines)
    target = Path(target) if target else Path(default_target(decoder, source))
    if how.decode_in_memory:
        _decode(decoder, texts, target, {})
    else:
        with working_file(target, _digest(decoder, texts)) as answers:
            _decode(decoder, texts, target, answers)
    return target


@dataclass(frozen=True)
class _Texts:
    """What is decoded: the first `count` lines of a file."""

    source: str | os.PathLike[str]
    prefix_file: str | os.PathLike[str]
    delimiter: str
    count: int

    def lines(self) -> Iterator[str]:
        return itertools.islice(each_line(self.source, self.delimiter), self.count)

    def blocks(self) -> Iterator[tuple[list[str], list[str] | None]]:
        """Yields lines, and what their answers begin with, one block after the other."""
        begins: Iterable[str] = itertools.repeat("")
        if self.prefix_file:
            begins = each_line(self.prefix_file, self.delimiter)
        lines: list[str] = []
        prefixes: list[str] = []
        characters = 0
        for line, begin in zip(self.lines(), begins, strict=False):
            lines.append(line)
            prefixes.append(begin)
            characters += len(line) + len(begin)
            if len(lines) >= BLOCK_LINES or characters >= BLOCK_CHARACTERS:
                yield lines, prefixes if self.prefix_file else None
                lines, prefixes, characters = [], [], 0
        if lines:
            yield lines, prefixes if self.prefix_file else None


def _decode(decoder: Decoder, texts: _Texts, target: Path, answers: _Answers) -> None:
    """Finds the answers that are not there yet, and writes all."""
    how, hooks = decoder.decode_hparams, decoder.problem.decode_hooks
    # Hooks get all that was found; the output alone needs less.
    kept = None if hooks or how.return_beams else 1
    with console.meter("decoding", "lines", texts.count) as advance:
        _answer(decoder, texts, answers, kept, advance)
    with atomic(target, "w") as file:
        for i in range(texts.count):
            # A blank line stays one, without fields.
            file.write(_line(answers.get(i, []), how, decoder.classifies) + how.delimiter)
    if hooks:
        hypotheses = [answers.get(i, _BLANK) for i in range(texts.count)]
        inputs = list(texts.lines())
        arguments = DecodeHookArgs(decoder.output_dir, inputs, hypotheses, decoder.problem, how)
        for hook in hooks:
            hook(arguments)


def _answer(
    decoder: Decoder,
    texts: _Texts,
    answers: _Answers,
    kept: int | None,
    advance: Callable[[int], None],
) -> None:
    first = 0
    for lines, prefixes in texts.blocks():
        known = {i for i in range(len(lines)) if first + i in answers}
        left = len(lines)
        for batch, found in decoder.batches(lines, prefixes=prefixes, known=known, first=first):
            pairs = zip(batch, found, strict=True)
            answers.update([(first + i, hypotheses[:kept]) for i, hypotheses in pairs])
            advance(len(batch))
            left -= len(batch)
        # Blank ones, and those that were known.
        advance(left)
        first += len(lines)


def _digest(decoder: Decoder, texts: _Texts) -> str:
    """Returns a name of all that the answers depend on."""
    hashes = []
    for path in (decoder.weights, texts.source, texts.prefix_file or os.devnull):
        with open(path, "rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    run = (Path(decoder.output_dir) / run_record.NAME).read_text(encoding="utf-8")
    how = dataclasses.asdict(decoder.decode_hparams)
    told = [hashes, run, how, decoder.device.backend, texts.count, BLOCK_LINES, BLOCK_CHARACTERS]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _line(answers: Sequence[Hypothesis], how: DecodeHParams, probabilities: bool) -> str:
    kept = answers if how.return_beams else answers[:1]
    fields: list[str] = []
    for one in kept:
        # A line break inside an answer would shift all lines after it, a tab all fields.
        text = one.text.replace(how.delimiter, " ")
        fields.append(text.replace("\t", " ") if has_fields(how) else text)
        if how.write_beam_scores:
            fields.append(f"{math.exp(one.score) if probabilities else one.score:.6f}")
    return "\t".join(fields)


def has_fields(how: DecodeHParams) -> bool:
    """Whether lines of the output have several fields, of which the first is the best answer."""
    return how.return_beams or how.write_beam_scores


def best_answers(path: str | os.PathLike[str], how: DecodeHParams) -> list[str]:
    """Returns the best answer of each line of a file that `decode_file` wrote."""
    lines = read_lines(path, how.delimiter)
    return [line.split("\t")[0] for line in lines] if has_fields(how) else lines


def default_target(decoder: Decoder, source: str | os.PathLike[str]) -> str:
    """Returns T2T's name of the output: SOURCE.MODEL.HPARAMS_SET.PROBLEM.beamB.alphaA.decodes.

    A model folder that doesn't know the name of its set leaves that part out.
    """
    how, run = decoder.decode_hparams, decoder.run
    parts = [
        os.fspath(source),
        run.model,
        *filter(None, [run.hparams_set]),
        run.problem,
        f"beam{how.beam_size}",
        f"alpha{how.alpha}",
        "decodes",
    ]
    return ".".join(parts)
