"""The members of an ensemble: model folders and checkpoints that decode together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from t2tlite.checkpoint import checkpoints
from t2tlite.decode.model_folder import ModelFolder
from t2tlite.errors import CheckpointError, HParamsError

# What names the newest checkpoint among ensemble_checkpoints.
NEWEST = "last"


class Member(NamedTuple):
    """A model folder, and its checkpoint as `Decoder` takes it."""

    folder: ModelFolder
    checkpoint: str | int


def find(
    folder: ModelFolder,
    checkpoint: str | int,
    ensemble: Sequence[str | os.PathLike[str]] = (),
    ensemble_checkpoints: Sequence[str | int] = (),
    usr_dirs: Sequence[str] = (),
) -> list[Member]:
    """Returns the members of an ensemble, the model itself first.

    Args:
      folder: the model that the others join.
      checkpoint: its checkpoint; "" if `ensemble_checkpoints` are given.
      ensemble: other model folders, of which the newest checkpoints take part.
      ensemble_checkpoints: checkpoints of `folder`; "last" is the newest.
      usr_dirs: as for `Decoder`.

    Raises:
      HParamsError: a member is given twice, or both kinds of checkpoints are.
      CheckpointError: a member has other vocabularies, or is no model.
    """
    if isinstance(ensemble, str | os.PathLike) or isinstance(ensemble_checkpoints, str):
        raise HParamsError("ensemble and ensemble_checkpoints take lists")
    names: list[str | int] = [checkpoint]
    if ensemble_checkpoints:
        if checkpoint:
            raise HParamsError(
                f"a checkpoint ({checkpoint}) and ensemble_checkpoints are given; give one of them"
            )
        names = ["" if name == NEWEST else name for name in ensemble_checkpoints]
    members = [Member(folder, name) for name in names]
    members += [Member(ModelFolder(path, usr_dirs), "") for path in ensemble]
    if len(members) > 1:
        _check_different(members)
        for member in members[1:]:
            _check_fits(folder, member.folder)
    return members


def _check_different(members: Sequence[Member]) -> None:
    """Raises HParamsError if two members have the same weights file."""
    seen = set()
    for member in members:
        path = checkpoints.find(member.folder.path, member.checkpoint).resolve()
        if path in seen:
            raise HParamsError(
                f"{path} is in the ensemble twice; give each model or checkpoint once"
            )
        seen.add(path)


def _check_fits(first: ModelFolder, other: ModelFolder) -> None:
    """Raises CheckpointError if two models don't read and write the same ids."""
    facts = _facts(first)
    for what, value in _facts(other).items():
        if value != facts[what]:
            raise CheckpointError(
                f"{other.path} has other {what} than {first.path}; members of an ensemble must "
                f"have the same: train them from one data folder"
            )


def _facts(folder: ModelFolder) -> dict[str, object]:
    """Returns what text and ids depend on, by a name for messages."""
    encoders = folder.encoders
    labels = encoders["targets"] if folder.classifies else None
    return {
        "kinds of features": folder.problem_hparams.modality,
        "vocabulary sizes": folder.problem_hparams.vocab_size,
        "vocabularies": sorted(folder.run.vocabularies.values()),
        "encoders": {name: type(encoder).__name__ for name, encoder in encoders.items()},
        "labels": labels and [labels.decode([i]) for i in range(labels.vocab_size)],
        "prefixes": folder.text_prefixes,
    }
