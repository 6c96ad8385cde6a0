"""Warm start: a new model begins with the weights of another run, whose vocabulary may be another.

A row of an embedding, or a column of the projection on labels, belongs to a token. Where the
vocabularies differ, each token that both have, by its text, takes its own row along; the rows of
the others stay new.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2tlite import registry
from t2tlite.checkpoint import checkpoints, run_record
from t2tlite.config import HParams, ProblemHParams
from t2tlite.errors import CheckpointError, Error, UnknownNameError, VocabularyError
from t2tlite.text import EOS, EOS_ID, PAD, PAD_ID, ClassLabelEncoder, load_vocabulary
from t2tlite.text.sentencepiece_encoder import SPACE_MARK, SentencePieceEncoder

log = logging.getLogger(__name__)

# Layers whose weights have a row or column for each token, where their shape doesn't tell.
_OF_TOKENS = re.compile("embed|softmax|classes")
# New tokens that are shown.
_SHOWN = 20


@dataclass(frozen=True)
class Change:
    """How the vocabulary of a feature changed, if it did.

    Attributes:
      old_ids: for each token its id in the old vocabulary, -1 where that lacks it; int [V].
      new_sizes: sizes that the axis of the tokens may have, filled up to vocab_divisor or not.
      old_sizes: the same of the old vocabulary.
    """

    old_ids: Any
    new_sizes: frozenset[int]
    old_sizes: frozenset[int]

    @property
    def is_none(self) -> bool:
        """Whether the vocabulary is the same."""
        tokens = len(self.old_ids)
        return tokens in self.old_sizes and self.old_ids.tolist() == list(range(tokens))

    def axis(self, path: str, old: tuple[int, ...], new: tuple[int, ...]) -> int | None:
        """Returns the axis of a weight that has an entry for each token, None if none has.

        Args:
          path: of the weight.
          old: its shape in the checkpoint.
          new: its shape in the model.
        """
        if len(old) != len(new):
            return None
        unequal = [i for i, sizes in enumerate(zip(old, new, strict=True)) if len({*sizes}) > 1]
        if not unequal and _OF_TOKENS.search(path.rpartition("/")[0]):
            unequal = [len(new) - 1 if path.endswith("kernel") else 0]
        if len(unequal) != 1:
            return None
        [axis] = unequal
        return axis if old[axis] in self.old_sizes and new[axis] in self.new_sizes else None

    def moved(self, value: Any, new: Any, axis: int) -> Any:
        """Returns the new weight with the old values of the tokens that both vocabularies have."""
        import numpy as np

        moved, old = np.moveaxis(new.copy(), axis, 0), np.moveaxis(value, axis, 0)
        (known,) = (self.old_ids >= 0).nonzero()
        moved[known] = old[self.old_ids[known]]
        return np.moveaxis(moved, 0, axis)


def warm_start(model: Any, source: str, hparams: HParams, problem_hparams: ProblemHParams) -> str:
    """Assigns the weights that a checkpoint of another run has in the same name and shape.

    Where its vocabulary is another, embeddings fit as well: token by token.

    Args:
      model: a built model.
      source: an output_dir, or one model.ckpt-STEP.safetensors.
      hparams: of the model.
      problem_hparams: of the model.

    Returns:
      A sentence on what was taken and what was not.

    Raises:
      CheckpointError: it can't be read, or nothing fits.
    """
    import numpy as np

    is_folder = Path(source).is_dir()
    path = checkpoints.find(source, "") if is_folder else checkpoints.find("", source)
    if not path.exists():
        raise CheckpointError(
            f"--warm_start_from={source} is no checkpoint; give a model folder or one of its "
            f"model.ckpt-STEP.safetensors"
        )
    tensors = checkpoints.read_tensors(path)
    changes = _changes(path.parent, hparams, problem_hparams)
    _tell_if_both(model, changes)
    left = []
    for variable in model.weights:
        value = tensors.get(variable.path)
        fitting = None if value is None else _fitting(variable, value, changes)
        if fitting is None:
            left.append(variable.path)
        else:
            variable.assign(np.asarray(fitting))
            del tensors[variable.path]
    if len(left) == len(model.weights):
        raise CheckpointError(f"{path} has no weight that fits this model; check --model")
    told = [f"{len(model.weights) - len(left)} of {len(model.weights)} weights from {path}"]
    for feature, change in changes.items():
        if change.is_none:
            continue
        known = int((change.old_ids >= 0).sum())
        told.append(f"{known:,} of {len(change.old_ids):,} tokens of the {feature} are known there")
    if left:
        told.append(f"new: {', '.join(left)}")
    if tensors:
        told.append(f"not taken: {', '.join(sorted(tensors))}")
    return "; ".join(told)


def _tell_if_both(model: Any, changes: Mapping[str, Change]) -> None:
    """Warns if one table is of two features whose vocabularies changed in different ways."""
    ids = [change.old_ids.tolist() for change in changes.values()]
    own_table = any("input" in variable.path for variable in model.weights)
    if len(ids) > 1 and not own_table and any(one != ids[0] for one in ids):
        log.warning(
            "%s share a table, and their vocabularies changed in different ways: it takes the rows "
            "of the targets' tokens",
            " and ".join(changes),
        )


def _fitting(variable: Any, value: Any, changes: Mapping[str, Change]) -> Any:
    """The value that a weight takes from the checkpoint's, None if it doesn't fit."""
    import numpy as np

    shape = tuple(variable.shape)
    # Vocabularies may have one size: then the weight's name tells whose it is.
    first = "inputs" if "input" in variable.path else "targets"
    for feature in sorted(changes, key=lambda one: one != first):
        axis = changes[feature].axis(variable.path, value.shape, shape)
        if axis is not None and changes[feature].is_none and value.shape == shape:
            return value
        if axis is not None:
            return changes[feature].moved(value, np.asarray(variable), axis)
    return value if value.shape == shape else None


def _changes(folder: Path, hparams: HParams, problem_hparams: ProblemHParams) -> dict[str, Change]:
    """How the vocabularies differ from another run's, by feature; equal ones are there, too."""
    import numpy as np

    try:
        run = run_record.read(folder)
        old = _old_encoders(folder, run, problem_hparams)
    except (Error, OSError) as error:
        log.warning(
            "the vocabulary of %s isn't known (%s): its embeddings are taken row by row, which is "
            "right only if this model's vocabulary is the same",
            *(folder, error),
        )
        return {}
    found = {}
    for feature, encoder in problem_hparams.vocabulary.items():
        if feature not in old:
            continue
        is_class = problem_hparams.modality.get(feature) == "class_label"
        tokens, before = _tokens(encoder, is_class), _tokens(old[feature], is_class)
        ids = {token: i for i, token in enumerate(before)}
        # Several tokens may look alike, which tells nothing apart unless a vocabulary changed.
        same = tokens == before
        old_ids = np.array([i if same else ids.get(token, -1) for i, token in enumerate(tokens)])
        divisors = hparams.vocab_divisor, run.hparams.get("vocab_divisor", 1)
        found[feature] = Change(
            old_ids, _sizes(len(tokens), divisors[0]), _sizes(len(before), divisors[1])
        )
        unknown = [token for token in tokens if token not in ids]
        if not unknown:
            continue
        more = ", ..." if len(unknown) > _SHOWN else ""
        shown = ", ".join(map(repr, unknown[:_SHOWN]))
        log.info("%d tokens of the %s are new: %s%s", len(unknown), feature, shown, more)
    return found


def _sizes(tokens: int, divisor: int) -> frozenset[int]:
    return frozenset([tokens, math.ceil(tokens / divisor) * divisor])


def _old_encoders(folder: Path, run: run_record.RunRecord, new: ProblemHParams) -> dict[str, Any]:
    """The encoders of another run, by feature."""
    try:
        problem = registry.problem(run.problem)
    except UnknownNameError:
        run_record.load_plugins(run, [])
        problem = registry.problem(run.problem)
    try:
        hparams = HParams.from_values(run.hparams)
        encoders = dict(problem.get_hparams(hparams, str(folder)).vocabulary)
        # The problem's class may have other labels now.
        kept = {name: ClassLabelEncoder(labels) for name, labels in run.labels.items()}
        return {**encoders, **kept}
    except VocabularyError:
        # The problem's class may have changed, and asks for another file now.
        if len(run.vocabularies) != 1:
            raise
    encoder = load_vocabulary(folder / next(iter(run.vocabularies)))
    return {name: encoder for name, kind in new.modality.items() if kind != "class_label"}


def _tokens(encoder: Any, is_class: bool) -> list[str]:
    """The text of each id, alike for the same token in each kind of vocabulary."""
    # One by one: an encoder that reads backwards turns lists.
    if hasattr(encoder, "decode_list"):
        texts = [str(encoder.decode_list([i])[0]) for i in range(encoder.vocab_size)]
    else:
        texts = [str(encoder.decode([i])) for i in range(encoder.vocab_size)]
    if isinstance(encoder, SentencePieceEncoder):
        texts = [text.replace(SPACE_MARK, " ") for text in texts]
    if not is_class:
        texts[PAD_ID], texts[EOS_ID] = PAD, EOS
    return texts
