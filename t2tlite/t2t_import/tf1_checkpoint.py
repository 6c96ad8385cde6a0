"""Reading T2T's TF1 checkpoints: their variables by name, as weights and as slots of optimizers.

MODEL/body/encoder/layer_0/self_attention/multihead_attention/q/kernel   a weight
MODEL/symbol_modality_V_D/shared/weights_0, _1, ...                      shards of an embedding
training/LazyAdam/WEIGHT/m, training/WEIGHT/Adam                         slots of the optimizer
global_step, losses_avg/..., train_stats/...                             T2T's own counts
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from t2tlite.errors import CheckpointError

Shape = tuple[int, ...]

# Slots of Adam by their names in TF1 and in TF2's compatibility layer -> the lists of Keras's Adam.
_SLOTS = {
    "m": "_momentums",
    "v": "_velocities",
    "Adam": "_momentums",
    "Adam_1": "_velocities",
    "Adam_2": "_accumulated_gradients",
}


class Checkpoint:
    """The variables of a T2T checkpoint, and which of them were read.

    Args:
      source: a folder of T2T's, whose newest checkpoint is meant, or `FOLDER/model.ckpt-N`.

    Attributes:
      prefix: the checkpoint's path without ".index".
      shapes: of all variables, by name.
      step: finished training steps.
      scope: the model's name, in front of its weights' names.

    Raises:
      CheckpointError: there is none, it is damaged, or not T2T's.
    """

    def __init__(self, source: str | os.PathLike[str]):
        import tensorflow as tf

        self.prefix = find(source)
        self._errors = (tf.errors.OpError, LookupError, RuntimeError, ValueError)
        try:
            self._reader = tf.train.load_checkpoint(str(self.prefix))
            shapes = self._reader.get_variable_to_shape_map()
        except self._errors as error:
            raise self._damaged(error) from None
        self.shapes: dict[str, Shape] = {name: tuple(shape) for name, shape in shapes.items()}
        self._taken: set[str] = set()
        self.scope = self._find_scope()
        self._slots = dict(filter(None, map(self._slot, self.shapes)))
        digits = re.search(r"-(\d+)$", self.prefix.name)
        self.step = int(digits[1]) if digits else 0
        if "global_step" in self.shapes:
            self.step = int(self.read("global_step"))

    def read(self, name: str) -> Any:
        """Returns a variable's value and notes that it has a place here.

        Raises:
          CheckpointError: its file is damaged.
        """
        try:
            value = self._reader.get_tensor(name)
        except self._errors as error:
            raise self._damaged(error) from None
        self._taken.add(name)
        return value

    def parts(self, name: str) -> list[str]:
        """The variables that make up one weight: its shards, or one; none if it is missing.

        Args:
          name: of the weight within the model's scope; a shard's without its number.
        """
        full = f"{self.scope}/{name}"
        if name.endswith("/weights_"):
            number = re.compile(re.escape(full) + r"(\d+)$")
            found = [(int(match[1]), match[0]) for match in map(number.match, self.shapes) if match]
            return [shard for _, shard in sorted(found)]
        return [full] if full in self.shapes else []

    def slot_parts(self, name: str, kind: str) -> list[str]:
        """The variables of one slot of a weight; fewer than the weight's if the slot is missing."""
        slots = [self._slots.get((part, kind)) for part in self.parts(name)]
        return [slot for slot in slots if slot]

    @property
    def shares_embeddings(self) -> bool:
        """Whether one table makes inputs, targets and logits.

        T2T turned the hparam shared_embedding_and_softmax_weights off where the vocabularies of
        inputs and targets differ, without a trace in hparams.json.
        """
        shared = re.compile(rf"{re.escape(self.scope)}/symbol_modality_\d+_\d+/shared/weights_0$")
        return any(map(shared.match, self.shapes))

    def join(self, parts: list[str]) -> Any:
        """Reads variables and joins them along the first axis."""
        import numpy as np

        return np.concatenate([np.asarray(self.read(part), np.float32) for part in parts])

    def size(self, parts: list[str]) -> Shape:
        """The shape of variables joined along the first axis."""
        first = self.shapes[parts[0]]
        return (sum(self.shapes[part][0] for part in parts), *first[1:])

    def unread(self) -> list[str]:
        """Names of the variables that weren't read, in order."""
        return sorted(set(self.shapes) - self._taken)

    def unread_weights(self) -> list[str]:
        """Names of the model's weights that weren't read: another model's."""
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
            f"{self.prefix} is damaged ({reason}); copy it again, with all of its .index and .data "
            f"files"
        )


def find(source: str | os.PathLike[str]) -> Path:
    """Returns the prefix of the checkpoint that `source` means.

    Raises:
      CheckpointError: there is none.
    """
    path = Path(source).expanduser()
    if not path.is_dir():
        prefix = path.with_name(re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path.name))
        if Path(f"{prefix}.index").exists():
            return prefix
        raise CheckpointError(f"{prefix}.index doesn't exist; give a folder or model.ckpt-STEP")
    prefixes = [one.with_suffix("") for one in path.glob("*.index")]
    if not prefixes:
        raise CheckpointError(f"{path} has no T2T checkpoint: no file there ends in .index")
    listed = path / "checkpoint"
    text = listed.read_text(encoding="utf-8", errors="replace") if listed.exists() else ""
    named = re.search(r'^model_checkpoint_path: "([^"]*)"', text, re.MULTILINE)
    # The folder may have been moved since its list was written, so only the name counts.
    if named and (newest := path / Path(named[1]).name) in prefixes:
        return newest
    return max(prefixes, key=lambda one: int(re.sub(r"\D", "", one.name) or 0))
