"""The inputs of a split of a problem's data as text, and all targets of each as references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from t2tlite.batches.examples import each_row
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import DataError
from t2tlite.problem import Problem
from t2tlite.text.encoder import text_ids


def check_inputs(folder: ModelFolder) -> None:
    """Raises DataError if there are no inputs to decode: the model is a language model."""
    if "inputs" not in folder.encoders:
        raise DataError(
            f"{folder.run.problem} has no inputs to decode; give --decode_from_file with the "
            f"beginnings of lines, --score_file, or evaluate by t2t-trainer --schedule=evaluate"
        )


def pairs_of(
    folder: ModelFolder, problem: Problem, data_dir: str, split: str
) -> Iterator[tuple[str, str]]:
    """Yields inputs and targets of each example as text, without the problem's prefixes.

    Args:
      folder: the model.
      problem: whose data to read: the model's, or a member of its mixture.
      data_dir: the data folder.
      split: "train", "eval" or "test".

    Raises:
      DataError: there is no such data.
    """
    shards = problem.shards(data_dir, split)
    examples = problem.read_examples(shards, split, folder.hparams, for_training=False)
    prefixes = problem.text_prefixes

    def text(feature: str, ids: Any) -> str:
        if feature == "inputs" or folder.generates:
            ids = text_ids(ids)
        decoded = str(folder.encoders[feature].decode(ids))
        return decoded.removeprefix(prefixes[feature])

    for row in each_row(examples):
        inputs, targets = (text(name, row[name]) for name in ("inputs", "targets"))
        yield inputs, targets


def by_input(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Returns the different targets of each distinct input, both in the order of the data."""
    found: dict[str, dict[str, None]] = {}
    for inputs, targets in pairs:
        found.setdefault(inputs, {})[targets] = None
    return {inputs: list(targets) for inputs, targets in found.items()}


def columns_of(references: Iterable[Sequence[str]]) -> list[list[str]]:
    """Returns the first reference of each input, the second ones, and so on.

    An input with fewer references than others repeats its first.

    Args:
      references: of each input, at least one.
    """
    rows = [*references]
    count = max(map(len, rows), default=0)
    return [[row[n] if n < len(row) else row[0] for row in rows] for n in range(count)]
