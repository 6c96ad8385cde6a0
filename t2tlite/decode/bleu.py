"""BLEU, chrF and exact match of whole files, by sacrebleu."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from t2tlite.decode.all_checkpoints import as_they_appear, translations
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.files import best_answers
from t2tlite.errors import DataError
from t2tlite.files import atomic, make_folder
from t2tlite.sources.text_lines import read_lines

# In the folder of the events: the last step that is in them. T2T's name.
LAST_STEP = "last_evaluated_step.txt"


@dataclass(frozen=True)
class Quality:
    """How good answers are.

    Attributes:
      bleu: 0 to 100.
      chrf: 0 to 100.
      exact: percentage of answers that equal a reference.
      lowercase: whether case was ignored in the first two.
      text: lines of all three, with sacrebleu's signatures.
    """

    bleu: float
    chrf: float
    exact: float
    lowercase: bool
    text: str


def file_bleu(
    translation: str | os.PathLike[str],
    reference: str,
    tokenize: str = "13a",
    lowercase: bool = False,
) -> Quality:
    """Compares a file with its references.

    Args:
      translation: a file of decoded lines.
      reference: a file of right lines; several joined by commas.
      tokenize: sacrebleu's tokenizer.
      lowercase: whether to ignore case.

    Raises:
      DataError: a file is missing, or they have different numbers of lines.
    """
    ours = read_lines(translation)
    references = [read_lines(path) for path in reference.split(",")]
    for path, lines in zip(reference.split(","), references, strict=True):
        if len(lines) != len(ours):
            raise DataError(
                f"{translation} has {len(ours)} lines and {path} has {len(lines)}; they must agree"
            )
    if not ours:
        raise DataError(f"{translation} is empty; decode a file first")
    return _quality(ours, references, tokenize, lowercase)


def answers_bleu(answers: str | os.PathLike[str], reference: str, how: DecodeHParams) -> str:
    """Returns lines that compare a file that was decoded with its references.

    Args:
      answers: the decoded file, of which each line's best answer counts.
      reference: a file of right lines; several joined by commas. They may have more lines than
        num_samples asks for.
      how: it was decoded so.

    Raises:
      DataError: a file is missing, too short or empty.
    """
    ours = best_answers(answers, how)
    references = [read_lines(path, how.delimiter)[: len(ours)] for path in reference.split(",")]
    short = [len(lines) for lines in references if len(lines) < len(ours)]
    if short or not ours:
        raise DataError(
            f"{answers} has {len(ours)} lines and {reference} has {min(short, default=0)}; they "
            f"must agree"
        )
    return _quality(ours, references).text


def _quality(
    ours: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenize: str = "13a",
    lowercase: bool = False,
) -> Quality:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    if tokenize not in BLEU.TOKENIZERS:
        known = ", ".join(BLEU.TOKENIZERS)
        raise DataError(f"--tokenize={tokenize} is not one of: {known}")
    right = sum(line in answers for line, *answers in zip(ours, *references, strict=True))
    exact = 100 * right / len(ours)
    metrics = [BLEU(tokenize=tokenize, lowercase=lowercase), CHRF(lowercase=lowercase)]
    bleu, chrf = [metric.corpus_score(ours, references) for metric in metrics]
    signatures = [metric.get_signature() for metric in metrics]
    rows = [f"{bleu}  [{signatures[0]}]", f"{chrf}  [{signatures[1]}]"]
    text = "\n".join([*rows, f"exact match = {exact:.2f} %"])
    return Quality(bleu.score, chrf.score, exact, lowercase, text)


def translations_bleu(
    folder: str | os.PathLike[str],
    compare: Callable[[Path], Quality],
    min_steps: int = 0,
    wait_minutes: float = 0,
    event_dir: str | os.PathLike[str] = "",
) -> Iterator[tuple[Path, Quality]]:
    """Compares each file NAME-STEP of a folder, such as t2t-translate-all writes, as they appear.

    Args:
      folder: of the files; it may not be there yet.
      compare: a file.
      min_steps: files of fewer steps are left out.
      wait_minutes: ends when no new file came for so long.
      event_dir: where TensorBoard's events go, each with the time of its file; those of a file that
        were written before are not again. "": nowhere.

    Raises:
      DataError: there is no file of so many steps.
    """
    last = Path(event_dir, LAST_STEP)
    if event_dir and last.exists():
        min_steps = max(min_steps, int(last.read_text()) + 1)
    found = False
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(_events(event_dir)) if event_dir else None
        files = as_they_appear(lambda: translations(folder, min_steps), wait_minutes)
        for step, path in files:
            found = True
            quality = compare(path)
            if write:
                write(step, path.stat().st_mtime, quality)
                with atomic(last, "w") as file:
                    file.write(f"{step}\n")
            yield path, quality
    if not found:
        raise DataError(
            f"{folder} has no file NAME-STEP of {min_steps} steps or more; t2t-translate-all "
            f"writes them"
        )


@contextlib.contextmanager
def _events(folder: str | os.PathLike[str]) -> Iterator[Callable[[int, float, Quality], None]]:
    """Yields a function that writes scalars of a step and a time; BLEU has T2T's names."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(make_folder(folder)))

    def write(step: int, seconds: float, quality: Quality) -> None:
        kind = "uncased" if quality.lowercase else "cased"
        values = {f"BLEU_{kind}": quality.bleu, "chrF": quality.chrf, "exact_match": quality.exact}
        scalars = [Summary.Value(tag=name, simple_value=one) for name, one in values.items()]
        writer.add_event(Event(wall_time=seconds, step=step, summary=Summary(value=scalars)))
        writer.flush()

    try:
        yield write
    finally:
        writer.close()
