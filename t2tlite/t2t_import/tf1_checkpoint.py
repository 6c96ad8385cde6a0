"""Reads T2T's TF1 checkpoints: weights and optimizer slots by variable name.

MODEL/body/encoder/layer_0/self_attention/multihead_attention/q/kernel   a weight
MODEL/symbol_modality_V_D/shared/weights_0, _1, ...                      shards of an embedding
training/LazyAdam/WEIGHT/m, training/WEIGHT/Adam                         slots of the optimizer
global_step, losses_avg/..., train_stats/...                             T2T's statistics
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from t2tlite import libraries
from t2tlite.errors import CheckpointError

Shape = tuple[int, ...]

# Adam's slots in TF1 and in TF2's compatibility layer -> attributes of Keras's Adam.
_SLOTS = {
    "m": "_momentums",
    "v": "_velocities",
    "Adam": "_momentums",
    "Adam_1": "_velocities",
    "Adam_2": "_accumulated_gradients",
}


class Checkpoint:
    """The variables of a T2T checkpoint. Keeps track of which were read.

    Args:
      source: T2T's model folder, for its newest checkpoint, or `FOLDER/model.ckpt-N`.

    Attributes:
      prefix: path of the checkpoint without ".index".
      shapes: of all variables, by name.
      step: number of finished training steps.
      scope: name of the model, the first part of the names of its weights.

    Raises:
      CheckpointError: there is no checkpoint, it is damaged, or it isn't T2T's.
    """

    def __init__(self, source: str | os.PathLike[str]):
        self.prefix = find(source)
        libraries.require_tensorflow("a checkpoint of T2T")
        tf = libraries.import_tensorflow()
        self._errors = (tf.errors.OpError, LookupError, RuntimeError, ValueError)
        try:
            self._reader = tf.train.load_checkpoint(str(self.prefix))
            shapes = self._reader.get_variable_to_shape_map()
        except self._errors as error:
            raise self._damaged(error) from None
        self.shapes: dict[str, Shape] = {name: tuple(shape) for name, shape in shapes.items()}
        self._read: set[str] = set()
        self.scope = self._find_scope()
        self._slots = dict(filter(None, map(self._slot, self.shapes)))
        digits = re.search(r"-(\d+)$", self.prefix.name)
        self.step = int(digits[1]) if digits else 0
        if "global_step" in self.shapes:
            self.step = int(self.read("global_step"))

    def read(self, name: str) -> Any:
        """Returns the value of a variable and marks it as read.

        Raises:
          CheckpointError: a file of the checkpoint is damaged.
        """
        try:
            value = self._reader.get_tensor(name)
        except self._errors as error:
            raise self._damaged(error) from None
        self._read.add(name)
        return value

    def parts(self, name: str) -> list[str]:
        """Returns the variables of a weight: one, several shards, or none if it is missing.

        Args:
          name: of the weight within the model's scope; that of a shard without the number.
        """
        full = f"{self.scope}/{name}"
        if name.endswith("/weights_"):
            number = re.compile(re.escape(full) + r"(\d+)$")
            matches = [match for match in map(number.match, self.shapes) if match]
            return [match[0] for match in sorted(matches, key=lambda match: int(match[1]))]
        return [full] if full in self.shapes else []

    def slot_parts(self, name: str, kind: str) -> list[str]:
        """Returns the variables of a slot of a weight; fewer than `parts` if some are missing."""
        slots = [self._slots.get((part, kind)) for part in self.parts(name)]
        return [slot for slot in slots if slot]

    @property
    def shares_embeddings(self) -> bool:
        """Whether inputs, targets and logits share one table.

        If the vocabularies of inputs and targets differ, T2T doesn't share, whatever the hparam
        shared_embedding_and_softmax_weights in hparams.json.
        """
        shared = re.compile(rf"{re.escape(self.scope)}/symbol_modality_\d+_\d+/shared/weights_0$")
        return any(map(shared.match, self.shapes))

    def join(self, parts: list[str]) -> Any:
        """Reads variables and concatenates them along the first axis, float32."""
        import numpy as np

        return np.concatenate([np.asarray(self.read(part), np.float32) for part in parts])

    def size(self, parts: list[str]) -> Shape:
        """Returns the shape of variables concatenated along the first axis."""
        first = self.shapes[parts[0]]
        return (sum(self.shapes[part][0] for part in parts), *first[1:])

    def unread(self) -> list[str]:
        """Returns the names of the variables that weren't read, sorted."""
        return sorted(set(self.shapes) - self._read)

    def unread_weights(self) -> list[str]:
        """Returns the names of the model's weights that weren't read."""
        slots = set(self._slots.values())
        return [
            name
            for name in self.unread()
            if name.startswith(f"{self.scope}/")
            and name not in slots
            and name.rpartition("/")[0] not in self.shapes
        ]

    def _find_scope(self) -> str:
        scopes = {name.partition("/body/")[0] for name in self.shapes if "/body/" in name}
        scopes = {scope for scope in scopes if not scope.startswith("training/")}
        if len(scopes) != 1:
            raise CheckpointError(
                f"{self.prefix} isn't a T2T checkpoint of one model: among its "
                f"{len(self.shapes)} variables there are {len(scopes)} names for MODEL in "
                f"MODEL/body/...; expected 1"
            )
        return scopes.pop()

    def _slot(self, name: str) -> tuple[tuple[str, str], str] | None:
        variable, _, slot = name.rpartition("/")
        variable = re.sub(r"^training/((Lazy)?Adam/)?", "", variable)
        if slot not in _SLOTS or variable not in self.shapes or variable == name:
            return None
        return (variable, _SLOTS[slot]), name

    def _damaged(self, error: Exception) -> CheckpointError:
        reason = " ".join(str(error).split())
        return CheckpointError(
            f"{self.prefix} is damaged ({reason}); copy its .index and .data files again"
        )


def find(source: str | os.PathLike[str]) -> Path:
    """Returns the prefix of the checkpoint that `source` names.

    Args:
      source: T2T's model folder, for its newest checkpoint, or a file or prefix of a checkpoint.

    Raises:
      CheckpointError: there is no checkpoint.
    """
    path = Path(source).expanduser()
    if not path.is_dir():
        prefix = path.with_name(re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path.name))
        if Path(f"{prefix}.index").exists():
            return prefix
        raise CheckpointError(f"{prefix}.index doesn't exist; give a folder or model.ckpt-STEP")
    prefixes = [file.with_suffix("") for file in path.glob("*.index")]
    if not prefixes:
        raise CheckpointError(f"{path} has no T2T checkpoint: no file there ends in .index")
    index = path / "checkpoint"
    text = index.read_text(encoding="utf-8", errors="replace") if index.exists() else ""
    newest = re.search(r'^model_checkpoint_path: "([^"]*)"', text, re.MULTILINE)
    # The folder may have been moved since, so only the file name counts.
    if newest and path / Path(newest[1]).name in prefixes:
        return path / Path(newest[1]).name
    return max(prefixes, key=lambda prefix: int(re.sub(r"\D", "", prefix.name) or 0))
