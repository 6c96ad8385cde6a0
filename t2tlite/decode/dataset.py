"""A split of a problem's data decoded, and the right answers beside."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2tlite.decode.files import decode_file, default_target
from t2tlite.errors import DataError
from t2tlite.files import atomic, make_folder
from t2tlite.problem import FILE_WORD
from t2tlite.text import EOS_ID, PAD_ID
from t2tlite.text.encoder import strip_ids

if TYPE_CHECKING:
    from t2tlite.decode.decoder import Decoder

log = logging.getLogger(__name__)


def decode_dataset(
    decoder: Decoder, data_dir: str, split: str, target: str | os.PathLike[str] = ""
) -> tuple[Path, list[Path]]:
    """Decodes the inputs of a split, as T2T's decoder does without a file.

    Each different input is decoded once, and the targets of all examples that have it are right:
    a word may have several pronunciations. Beside the answers stand, line by line, the inputs in
    TARGET.inputs, a right answer in TARGET.targets, and further ones in TARGET.targets1 and so on,
    where an input with fewer repeats its first.

    Args:
      decoder: the model and how to decode; num_samples counts different inputs.
      data_dir: what t2t-datagen wrote.
      split: "train", "eval" or "test".
      target: file of the answers; "": PROBLEM.dev.MODEL...decodes (or .test) in the model's folder.

    Returns:
      The file of the answers and those of the right ones.

    Raises:
      DataError: there is no such data, or its examples have no inputs.
      VocabularyError: it was made with another vocabulary than the model's.
      OutputError: a file can't be written.
    """
    if "inputs" not in decoder.encoders:
        raise DataError(
            f"{decoder.run.problem} has no inputs to answer; give --decode_from_file with lines to "
            f"go on from, --score_file, or evaluate it with t2t-trainer --schedule=evaluate"
        )
    decoder.run.check_vocabularies(data_dir)
    delimiter = decoder.decode_hparams.delimiter
    right: dict[str, dict[str, None]] = {}
    for inputs, targets in _pairs(decoder, data_dir, split):
        right.setdefault(inputs, {})[targets] = None
    stem = Path(decoder.output_dir, f"{decoder.run.problem}.{FILE_WORD[split]}")
    if flattened := sum(delimiter in inputs for inputs in right):
        log.warning(
            "%d inputs hold the delimiter (line breaks, by default): they are decoded with a space "
            "in its place, so figures needn't be those of an evaluation in training",
            flattened,
        )
    # The problem's name needn't stand there twice.
    name = default_target(decoder, stem).replace(f".{decoder.run.problem}.beam", ".beam")
    target = Path(target or name)
    make_folder(target.parent)
    source = _write(target, "inputs", right, delimiter)
    answers = [list(targets) for targets in right.values()]
    references = []
    for number in range(max(map(len, answers), default=0)):
        lines = (texts[number] if number < len(texts) else texts[0] for texts in answers)
        references.append(_write(target, f"targets{number or ''}", lines, delimiter))
    log.info("%s: %d different inputs", source, len(right))
    return decode_file(decoder, source, target), references


def _pairs(decoder: Decoder, data_dir: str, split: str) -> Iterator[tuple[str, str]]:
    """Yields the texts of each example, without what the problem puts before them."""
    import tensorflow as tf

    shards = decoder.problem.shards(data_dir, split)
    examples = decoder.problem.examples(tf.data.TFRecordDataset(shards), split, decoder.hparams)
    sides = dict(zip(("inputs", "targets"), decoder.sides, strict=True))

    def text(name: str, ids: Any) -> str:
        if name == "inputs" or not decoder.classifies:
            ids = strip_ids(ids, (PAD_ID, EOS_ID))
        return str(decoder.encoders[name].decode(ids)).removeprefix(sides[name])

    for example in examples.as_numpy_iterator():
        inputs, targets = (text(name, example[name].tolist()) for name in sides)
        yield inputs, targets


def _write(target: Path, ending: str, texts: Iterable[str], delimiter: str) -> Path:
    path = target.with_name(f"{target.name}.{ending}")
    with atomic(path, "w") as file:
        file.writelines(text.replace(delimiter, " ") + delimiter for text in texts)
    return path
