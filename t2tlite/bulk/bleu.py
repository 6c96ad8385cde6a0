"""BLEU, chrF, exact match and error rates of whole files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from t2tlite.bulk.all_checkpoints import translations
from t2tlite.bulk.files import best_answers
from t2tlite.checkpoint.events import EventWriter
from t2tlite.checkpoint.waiting import as_they_appear
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.quality import Quality, compare
from t2tlite.errors import DataError
from t2tlite.files import atomic, split_paths
from t2tlite.metrics import Decoded
from t2tlite.sources.text_files import read_lines

# File in the folder of events with their last step; T2T's name.
LAST_STEP = "last_evaluated_step.txt"


def file_bleu(
    translation: str | os.PathLike[str],
    reference: str | Sequence[str | os.PathLike[str]],
    tokenize: str = "13a",
    lowercase: bool = False,
    decode_hparams: DecodeHParams | None = None,
) -> Quality:
    """Compares a file with its references.

    Args:
      translation: a file of decoded lines.
      reference: a file of references; several in a list, or joined by commas.
      tokenize: sacrebleu's tokenizer.
      lowercase: whether to ignore case.
      decode_hparams: how `decode_file` wrote the translation: the best answer of each line counts,
        and references may have more lines than num_samples; None: it has an answer per line.

    Raises:
      DataError: a file is missing or empty, or the files differ in their number of lines.
    """
    layout = decode_hparams or DecodeHParams()
    answers = best_answers(translation, layout)
    references = []
    for path in split_paths(reference) if isinstance(reference, str) else reference:
        lines = read_lines(path, layout.delimiter)[: len(answers) if decode_hparams else None]
        if len(lines) != len(answers):
            raise DataError(
                f"{translation} has {len(answers)} lines and {path} has {len(lines)}; they must "
                f"agree"
            )
        references.append(lines)
    if not answers:
        raise DataError(f"{translation} is empty; decode a file first")
    return compare(answers, references, tokenize, lowercase)


def translations_bleu(
    folder: str | os.PathLike[str],
    compare: Callable[[Path], Sequence[Quality]],
    min_steps: int = 0,
    wait_minutes: float = 0,
    event_dir: str | os.PathLike[str] = "",
    tag_suffix: str = "",
) -> Iterator[tuple[Path, Sequence[Quality]]]:
    """Yields each file NAME-STEP, written by t2t-translate-all, and its scores, as they appear.

    Args:
      folder: of the files; it may not exist yet.
      compare: returns the scores of a file, with and without case or one of them.
      min_steps, wait_minutes: as for `as_they_appear`.
      event_dir: folder of TensorBoard events, to which the scores of files after the last step
        there are added, each with the time of its file; "": none.
      tag_suffix: what is added to the names of the scores in events.

    Raises:
      DataError: there is no file of at least `min_steps`, or the last step there is unreadable.
    """
    last = Path(event_dir, LAST_STEP)
    if event_dir and last.exists():
        try:
            min_steps = max(min_steps, int(last.read_text()) + 1)
        except ValueError:
            raise DataError(
                f"{last} has no number of a step; remove it to begin with the first file"
            ) from None
    missing = DataError(
        f"{folder} has no file NAME-STEP of {min_steps} steps or more; t2t-translate-all writes "
        f"them"
    )
    files = as_they_appear(lambda: translations(folder), min_steps, wait_minutes, missing)
    writer = EventWriter(event_dir) if event_dir else None
    for step, path in files:
        qualities = compare(path)
        if writer:
            scores = {f"{name}{tag_suffix}": score for name, score in _scores(qualities).items()}
            writer.write(step, scores, path.stat().st_mtime)
            with atomic(last, "w") as file:
                file.write(f"{step}\n")
        yield path, qualities


def _scores(qualities: Sequence[Quality]) -> dict[str, float]:
    """Returns the scores by their names in events; those of BLEU are T2T's."""
    scores: dict[str, float] = {}
    for quality in reversed(qualities):
        scores[f"BLEU_{'uncased' if quality.lowercase else 'cased'}"] = quality.bleu
        named = quality.metrics
        del named[Decoded.BLEU], named[Decoded.CHRF]
        scores |= {"chrF": quality.chrf, **named}
    return scores
