"""Files decoded line by line; an interrupted decode resumes with the batch it was at."""

from __future__ import annotations

import itertools
import logging
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from t2tlite import buckets, console
from t2tlite.bulk.part_file import PartFile, digest_of
from t2tlite.checkpoint import run_record
from t2tlite.decode import batches
from t2tlite.decode.batches import too_long
from t2tlite.decode.decode_hparams import DecodeHookArgs, DecodeHParams, Hypothesis
from t2tlite.decode.decoder import Decoder
from t2tlite.errors import OutputError
from t2tlite.files import atomic, cannot_write, locked, make_folder, remove_temporaries
from t2tlite.sources.text_files import check_line_count, count_lines, each_line, read_lines

log = logging.getLogger(__name__)

# Lines that are sorted by length together, and whose tokens and answers are in memory together;
# fewer where they have more than BLOCK_CHARACTERS.
BLOCK_LINES = 65_536
BLOCK_CHARACTERS = 1 << 24


def decode_file(
    decoder: Decoder,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] = "",
    prefix_file: str | os.PathLike[str] = "",
) -> Path:
    """Decodes a file of lines; line n of the output answers line n of the input.

    >>> path = decode_file(Decoder("model"), "lines.txt", "answers.txt")
    >>> len(path.read_text().splitlines())
    2

    The answer to a line that is too long for the memory is blank; a warning has its number.

    Called again after an interruption, it resumes, and the output is the same as without one.
    Meanwhile the answers are in a file .NAME.part beside the output, unless the decode hparam
    decode_in_memory is set.

    Args:
      decoder: the model and how to decode.
      source: UTF-8 text; this and the other files may be URLs of a bucket.
      target: output file; "": T2T's name, made of the source, model, sets and beam.
      prefix_file: for each line what its answers begin with; a blank line: anything.

    Returns:
      The path written.

    Raises:
      DataError: a file is missing, isn't UTF-8, or has another number of lines than the source.
      OutputError: the target can't be written, or another process is writing it.
    """
    source = buckets.local("decode_from_file", source)
    target = buckets.local("decode_to_file", target)
    prefix_file = buckets.local("decode_prefix_file", prefix_file)
    with buckets.uploading():
        return _decode_file(decoder, source, target, prefix_file)


def _decode_file(
    decoder: Decoder,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    prefix_file: str | os.PathLike[str],
) -> Path:
    """Does the work of `decode_file` with files on this machine."""
    decode_hparams = decoder.decode_hparams
    count = count_lines(source, decode_hparams.delimiter)
    if prefix_file:
        check_line_count(prefix_file, source, count, decode_hparams.delimiter)
    if decode_hparams.num_samples >= 0:
        count = min(count, decode_hparams.num_samples)
    texts = _Texts(source, prefix_file, decode_hparams.delimiter, count)
    target = Path(target or default_target(decoder.run, decode_hparams, source))
    buckets.will_write(target)
    if decode_hparams.decode_in_memory:
        _decode(decoder, texts, target, None)
        return target
    part_path = target.with_name(f".{target.name}.part")
    busy = OutputError(
        f"{target} is being written by another process; wait for it, or choose another "
        f"--decode_to_file"
    )
    try:
        with locked(part_path, busy) as file:
            remove_temporaries(target)
            _decode(decoder, texts, target, PartFile(file, _digest(decoder, texts)))
            buckets.remove(part_path)
    except OSError as error:
        raise cannot_write(part_path, error) from error
    return target


class _Texts(NamedTuple):
    """The first lines of a file, and the prefixes of their answers."""

    source: str | os.PathLike[str]
    prefix_file: str | os.PathLike[str]
    delimiter: str
    line_count: int

    def blocks(self) -> Iterator[tuple[Sequence[str], Sequence[str] | None]]:
        """Yields lines and the prefixes of their answers, one block after the other."""
        prefixes: Iterable[str] = itertools.repeat("")
        if self.prefix_file:
            prefixes = each_line(self.prefix_file, self.delimiter)
        lines = itertools.islice(each_line(self.source, self.delimiter), self.line_count)
        block: list[tuple[str, str]] = []
        characters = 0
        for number, pair in enumerate(zip(lines, prefixes, strict=False), 1):
            block.append(pair)
            characters += sum(map(len, pair))
            is_full = len(block) >= BLOCK_LINES or characters >= BLOCK_CHARACTERS
            if is_full or number == self.line_count:
                block_lines, block_prefixes = zip(*block, strict=True)
                yield block_lines, block_prefixes if self.prefix_file else None
                block, characters = [], 0


def digest_of_file(decoder: Decoder, source: str | os.PathLike[str]) -> str:
    """Returns a hash of all that `decode_file` of a whole file depends on."""
    delimiter = decoder.decode_hparams.delimiter
    return _digest(decoder, _Texts(source, "", delimiter, count_lines(source, delimiter)))


def _digest(decoder: Decoder, texts: _Texts) -> str:
    """Returns a hash of all that the answers and their batches depend on."""
    files = texts.source, texts.prefix_file or os.devnull
    return digest_of(decoder, files, texts.line_count, BLOCK_LINES, BLOCK_CHARACTERS)


def _decode(decoder: Decoder, texts: _Texts, target: Path, part: PartFile | None) -> None:
    """Writes the answers to all lines and calls the problem's decode hooks."""
    decode_hparams, problem = decoder.decode_hparams, decoder.folder.problem_with_hooks()
    hooks = problem.decode_hooks
    # Only hooks need the answers of the whole file at once.
    all_lines: list[str] = []
    all_answers: list[list[Hypothesis]] = []
    first = 0
    meter = console.meter("decoding", "lines", texts.line_count)
    with meter as advance, atomic(target, "w") as file:
        for lines, prefixes in texts.blocks():
            answers: list[list[Hypothesis]] = [[] for _ in lines]
            todo = decoder.make_batches(lines, prefixes=prefixes, first=first)
            for number, batch in enumerate(todo, first):
                rows = _decode_batch(decoder, batch, number, part, bool(hooks))
                for i, encoded, row in zip(batch.indices, batch.rows, rows, strict=True):
                    answers[i] = row
                    if not row:
                        message = too_long(decoder.engine, first + i + 1, encoded, decode_hparams)
                        log.warning("%s; its answer is blank", message)
                advance(len(rows))
            file.writelines(_format(decoder, row) + decode_hparams.delimiter for row in answers)
            advance(len(lines) - sum(len(batch.rows) for batch in todo))  # blank lines
            if hooks:
                all_lines += lines
                all_answers += [row or [Hypothesis("", 0.0, [])] for row in answers]
            first += len(lines)
    for hook in hooks:
        hook(DecodeHookArgs(decoder.output_dir, all_lines, all_answers, problem, decode_hparams))


def _decode_batch(
    decoder: Decoder, batch: batches.Batch, seed: int, part: PartFile | None, has_hooks: bool
) -> list[list[Hypothesis]]:
    """Returns the answers to a batch, from the part file if they are there."""
    saved = part.read() if part else None
    if saved is not None:
        return [[Hypothesis(*fields) for fields in row] for row in saved]
    rows = decoder.search(batch, seed=seed)
    # Hooks get all hypotheses; for the output alone the best is enough.
    if not (has_hooks or decoder.decode_hparams.return_beams):
        rows = [row[:1] for row in rows]
    if part:
        part.append([[[one.text, one.score, one.ids] for one in row] for row in rows])
    return rows


def _format(decoder: Decoder, hypotheses: Sequence[Hypothesis]) -> str:
    """Returns a line of the output; blank if there are no hypotheses."""
    decode_hparams, fields = decoder.decode_hparams, list[str]()
    for hypothesis in hypotheses if decode_hparams.return_beams else hypotheses[:1]:
        # A line break inside an answer would shift all lines after it, a tab all fields.
        text = hypothesis.text.replace(decode_hparams.delimiter, " ")
        fields.append(text.replace("\t", " ") if has_fields(decode_hparams) else text)
        if decode_hparams.write_beam_scores:
            score = math.exp(hypothesis.score) if decoder.classifies else hypothesis.score
            fields.append(f"{score:.6f}")
    return "\t".join(fields)


def has_fields(decode_hparams: DecodeHParams) -> bool:
    """Whether lines of the output have several fields, of which the first is the best answer."""
    return decode_hparams.return_beams or decode_hparams.write_beam_scores


def best_answers(path: str | os.PathLike[str], decode_hparams: DecodeHParams) -> list[str]:
    """Returns the best answer of each line of a file that `decode_file` wrote."""
    lines = read_lines(path, decode_hparams.delimiter)
    return [line.split("\t")[0] for line in lines] if has_fields(decode_hparams) else lines


def check_target(target: str | os.PathLike[str], *sources: str | os.PathLike[str]) -> None:
    """Checks, before the slow work, that `decode_file` can write a file; creates its folder.

    Raises:
      OutputError: it can't, or the file is one of the `sources` that are read.
    """
    path = Path(target)
    try:
        # The name of the temporary file is the longest.
        path.with_name(f".{path.name}.{'0' * 16}.tmp").exists()
        is_folder = path.is_dir()
        is_source = path.exists() and any(map(path.samefile, filter(os.path.exists, sources)))
    except OSError as error:
        raise cannot_write(path, error) from error
    if is_folder or is_source:
        found = "is a folder" if is_folder else "is read by this command"
        raise OutputError(f"can't write {path}: it {found}; choose another --decode_to_file")
    make_folder(path.parent)


def default_target(
    run: run_record.RunRecord, decode_hparams: DecodeHParams, source: str | os.PathLike[str]
) -> str:
    """Returns T2T's name of the output: SOURCE.MODEL.HPARAMS_SET.PROBLEM.beamB.alphaA.decodes.

    HPARAMS_SET is left out if the run record doesn't name it. A `decode_tag` comes after PROBLEM.
    """
    names = [os.fspath(source), run.model, run.hparams_set, run.problem]
    names += [re.sub(r"[^\w.+-]", "", decode_hparams.decode_tag)]
    names += [f"beam{decode_hparams.beam_size}", f"alpha{decode_hparams.alpha}", "decodes"]
    return ".".join(filter(None, names))
