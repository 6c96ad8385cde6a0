"""Warm start: a new model takes the weights of another run, whose vocabulary may differ.

A row of an embedding, or a column of the projection on labels, belongs to a token. If the
vocabularies differ, each token that both have, by its text, keeps its row; the rows of other tokens
stay new.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite.checkpoint import checkpoints, run_record, tensor_files, trained_problem
from t2tlite.config import EOS_ID, PAD_ID, HParams, ProblemHParams
from t2tlite.errors import CheckpointError, Error, VocabularyError
from t2tlite.text import EOS, PAD, ClassLabelEncoder, load_vocabulary
from t2tlite.text.sentencepiece_encoder import SPACE_MARK, SentencePieceEncoder

log = logging.getLogger(__name__)

# Layers whose weights have a row or column for each token, if their shape doesn't tell.
_TOKEN_LAYERS = re.compile("embed|softmax|classes")
# New tokens to show.
_SHOWN = 20


@dataclass(frozen=True)
class VocabularyChange:
    """How the vocabulary of a feature differs from the checkpoint's, if it does.

    Attributes:
      old_ids: the id of each token in the old vocabulary, -1 for new tokens; int [V].
      new_sizes: possible sizes of the token axis, padded to vocab_divisor or not.
      old_sizes: the same of the old vocabulary.
      is_same: whether the vocabulary is unchanged.
    """

    old_ids: Any
    new_sizes: set[int]
    old_sizes: set[int]
    is_same: bool

    def token_axis(self, path: str, old: tuple[int, ...], new: tuple[int, ...]) -> int | None:
        """Returns the axis of a weight that has an entry for each token, None if it has none.

        `old` is the weight's shape in the checkpoint, `new` its shape in the model.
        """
        if len(old) != len(new):
            return None
        axes = [i for i, sizes in enumerate(zip(old, new, strict=True)) if len({*sizes}) > 1]
        if not axes and _TOKEN_LAYERS.search(path.rpartition("/")[0]):
            axes = [len(new) - 1 if path.endswith("kernel") else 0]
        fitting = [i for i in axes if old[i] in self.old_sizes and new[i] in self.new_sizes]
        return fitting[0] if len(axes) == len(fitting) == 1 else None

    def move(self, value: Any, new: Any, axis: int) -> Any:
        """Returns the new weight with the old values of the tokens that both vocabularies have."""
        moved, old = np.moveaxis(new.copy(), axis, 0), np.moveaxis(value, axis, 0)
        (known,) = (self.old_ids >= 0).nonzero()
        moved[known] = old[self.old_ids[known]]
        return np.moveaxis(moved, 0, axis)


def warm_start(model: Any, source: str, hparams: HParams, problem_hparams: ProblemHParams) -> str:
    """Assigns the weights of another run's checkpoint that have the same name and shape.

    If the vocabularies differ, embeddings are assigned token by token.

    Args:
      model: a built model.
      source: an output_dir, or one model.ckpt-STEP.safetensors.
      hparams, problem_hparams: of the model.

    Returns:
      A summary of the weights that were assigned, stay new, or weren't used.

    Raises:
      CheckpointError: the checkpoint can't be read, or no weight fits.
    """
    is_folder = Path(source).is_dir()
    path = checkpoints.find(source, "") if is_folder else checkpoints.find("", source)
    if not path.exists():
        raise CheckpointError(
            f"--warm_start_from={source} is no checkpoint; give a model folder or one of its "
            f"model.ckpt-STEP.safetensors"
        )
    tensors = tensor_files.read_tensors(path)
    changes = _vocabulary_changes(path.parent, hparams, problem_hparams)
    _warn_if_table_is_shared(model, changes)
    new = []
    for weight in model.weights:
        value = tensors.get(weight.path)
        fitting = None if value is None else _fit(weight, value, changes)
        if fitting is None:
            new.append(weight.path)
        else:
            weight.assign(fitting)
            del tensors[weight.path]
    if len(new) == len(model.weights):
        raise CheckpointError(f"{path} has no weight that fits this model; check --model")
    summary = [f"{len(model.weights) - len(new)} of {len(model.weights)} weights from {path}"]
    for feature, change in changes.items():
        if not change.is_same:
            known, tokens = (change.old_ids >= 0).sum(), len(change.old_ids)
            summary.append(f"{known:,} of {tokens:,} tokens of the {feature} are known there")
    if new:
        summary.append(f"new: {', '.join(new)}")
    if tensors:
        summary.append(f"not used: {', '.join(sorted(tensors))}")
    return "; ".join(summary)


def _warn_if_table_is_shared(model: Any, changes: Mapping[str, VocabularyChange]) -> None:
    """Warns if features share an embedding but their vocabularies changed differently."""
    ids = [change.old_ids.tolist() for change in changes.values()]
    has_input_table = any("input" in weight.path for weight in model.weights)
    if len(ids) > 1 and not has_input_table and any(other != ids[0] for other in ids):
        log.warning(
            "%s share an embedding, and their vocabularies changed in different ways: its rows are "
            "those of the targets' tokens",
            " and ".join(changes),
        )


def _fit(weight: Any, value: Any, changes: Mapping[str, VocabularyChange]) -> Any:
    """Returns what a weight gets from the checkpoint's value, None if it doesn't fit."""
    fits = value.shape == tuple(weight.shape)
    # If the vocabularies have one size, the weight's name says whose it is.
    first = "inputs" if "input" in weight.path else "targets"
    for feature in sorted(changes, key=lambda feature: feature != first):
        change = changes[feature]
        axis = change.token_axis(weight.path, value.shape, tuple(weight.shape))
        if axis is not None:
            same = change.is_same and fits
            return value if same else change.move(value, np.asarray(weight), axis)
    return value if fits else None


def _vocabulary_changes(
    folder: Path, hparams: HParams, problem_hparams: ProblemHParams
) -> dict[str, VocabularyChange]:
    """Compares the vocabularies with those of the run in `folder`; {} if they aren't known."""
    try:
        run = run_record.read(folder)
        old_encoders = _old_encoders(folder, run, problem_hparams)
    except (Error, OSError) as error:
        log.warning(
            "the vocabulary of %s isn't known (%s): its embeddings are copied row by row, which is "
            "right only if this model's vocabulary is the same",
            *(folder, error),
        )
        return {}
    changes = {}
    for feature, encoder in problem_hparams.vocabulary.items():
        numbers = problem_hparams.modality.get(feature) == "real_l2"
        if feature not in old_encoders or numbers:
            continue
        is_class = problem_hparams.modality.get(feature) == "class_label"
        tokens, old_tokens = _tokens(encoder, is_class), _tokens(old_encoders[feature], is_class)
        ids = {token: i for i, token in enumerate(old_tokens)}
        # Tokens whose texts look alike are confused only if the vocabulary changed.
        same = tokens == old_tokens
        old_ids = np.array([i if same else ids.get(token, -1) for i, token in enumerate(tokens)])
        sizes = _padded_sizes(tokens, hparams.vocab_divisor)
        old_sizes = _padded_sizes(old_tokens, run.hparams.get("vocab_divisor", 1))
        changes[feature] = VocabularyChange(old_ids, sizes, old_sizes, same)
        unknown = [token for token in tokens if token not in ids]
        if unknown:
            more = ", ..." if len(unknown) > _SHOWN else ""
            shown = ", ".join(map(repr, unknown[:_SHOWN]))
            log.info("%d tokens of the %s are new: %s%s", len(unknown), feature, shown, more)
    return changes


def _padded_sizes(tokens: list[str], divisor: int) -> set[int]:
    return {len(tokens), math.ceil(len(tokens) / divisor) * divisor}


def _old_encoders(folder: Path, run: run_record.RunRecord, new: ProblemHParams) -> dict[str, Any]:
    """Returns the encoders of another run, by feature."""
    problem = trained_problem.load(run, folder)
    try:
        hparams = HParams.from_values(run.hparams)
        encoders = dict(problem.get_hparams(hparams, str(folder)).vocabulary)
        # The problem's class may have other labels now.
        labels = {name: ClassLabelEncoder(one) for name, one in run.class_labels().items()}
        return {**encoders, **labels}
    except VocabularyError:
        # The problem's class may name another vocabulary file now.
        if len(run.vocabularies) != 1:
            raise
    encoder = load_vocabulary(folder / next(iter(run.vocabularies)))
    return {name: encoder for name, kind in new.modality.items() if kind != "class_label"}


def _tokens(encoder: Any, is_class: bool) -> list[str]:
    """Returns the text of each id, the same for a token in every kind of vocabulary."""
    # Each id alone: an encoder of reversed text reverses lists.
    ids = range(encoder.vocab_size)
    if hasattr(encoder, "decode_list"):
        texts = [str(encoder.decode_list([i])[0]) for i in ids]
    else:
        texts = [str(encoder.decode([i])) for i in ids]
    if isinstance(encoder, SentencePieceEncoder):
        texts = [text.replace(SPACE_MARK, " ") for text in texts]
    if not is_class:
        texts[PAD_ID], texts[EOS_ID] = PAD, EOS
    return texts
