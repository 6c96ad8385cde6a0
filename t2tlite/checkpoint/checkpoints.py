"""Checkpoints: weights and training state as safetensors, listed in checkpoint.json.

    model.ckpt-STEP.safetensors       weights by their Keras path; the same from either backend
    optimizer.ckpt-STEP.safetensors   the optimizer's slots and the dropout's random state
    checkpoint.json                   {"steps": [..., newest], "best": STEP}

Each file is written whole or not at all, and listed only when both are on disk. The best one stays
when others as old go.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from t2tlite.devices import devices
from t2tlite.errors import CheckpointError, OutputError
from t2tlite.files import atomic

log = logging.getLogger(__name__)

LIST = "checkpoint.json"


def weights_path(folder: str | os.PathLike[str], step: int | str) -> Path:
    """Where the weights after `step` updates lie."""
    return Path(folder) / f"model.ckpt-{step}.safetensors"


def optimizer_path(folder: str | os.PathLike[str], step: int | str) -> Path:
    """Where the training state after `step` updates lies."""
    return Path(folder) / f"optimizer.ckpt-{step}.safetensors"


def steps(folder: str | os.PathLike[str]) -> list[int]:
    """Returns the steps of the checkpoints in `folder`, oldest first.

    Raises:
      CheckpointError: the list is damaged.
    """
    return [step for step in _listed(folder)[0] if weights_path(folder, step).exists()]


def _listed(folder: str | os.PathLike[str]) -> tuple[list[int], int | None]:
    """The steps in the list, and the best of them where one is known."""
    path = Path(folder) / LIST
    if not path.exists():
        return [], None
    try:
        found = dict(json.loads(path.read_text()))
        best = found.get("best")
        return [int(step) for step in found["steps"]], None if best is None else int(best)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f'{path} is damaged ({error}); write {{"steps": [STEP]}} with the newest step of the '
            f"model.ckpt-STEP.safetensors beside it"
        ) from None


def newest(folder: str | os.PathLike[str]) -> int:
    """Returns the step of the newest checkpoint.

    Raises:
      CheckpointError: there is none.
    """
    found = steps(folder)
    if not found:
        raise CheckpointError(
            f"{folder} has no checkpoint; train first with t2t-trainer --output_dir={folder}"
        )
    return found[-1]


def best(folder: str | os.PathLike[str]) -> int:
    """Returns the step of the best checkpoint, by the metric that training was to improve.

    Raises:
      CheckpointError: none was evaluated.
    """
    found = _listed(folder)[1]
    if found not in steps(folder):
        raise CheckpointError(
            f"{folder} knows no best checkpoint: none was evaluated in training; leave "
            f"--checkpoint_path out for the newest, or name a step"
        )
    return found


def find(folder: str | os.PathLike[str], checkpoint: str | int) -> Path:
    """Returns the weights file that a step, a path, T2T's path without ending, "best" or "" means.

    Args:
      folder: of the model.
      checkpoint: "": the newest.

    Raises:
      CheckpointError: the folder has no checkpoint, or none that is known to be the best.
    """
    text = str(checkpoint)
    if text in ("", "best"):
        return weights_path(folder, best(folder) if text else newest(folder))
    if text.isdigit():
        return weights_path(folder, text)
    return Path(text if text.endswith(".safetensors") else f"{text}.safetensors")


class Saver:
    """Saves checkpoints in the background: training waits for the copies in memory alone.

    Args:
      folder: the output_dir.
      keep: newest checkpoints to keep; 0: all. The best one stays besides.

    Attributes:
      best: step of the best checkpoint, None if none is known.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int):
        self._folder = folder
        self._keep = keep
        self.best = _listed(folder)[1]
        self._thread = ThreadPoolExecutor(1, "saver")
        self._pending: Future[None] | None = None

    def save(self, step: int, model: Any, optimizer: Any) -> None:
        """Copies weights and training state, and starts to write them.

        Args:
          step: finished updates.
          model: a built Keras model.
          optimizer: its built optimizer.

        Raises:
          OutputError: the save before failed: the disk is full or the folder read-only. Older
            checkpoints stay as they are.
        """
        self.wait()
        copies = weights(model, optimizer), _values(_state(model, optimizer))
        self._pending = self._thread.submit(_write, self._folder, step, *copies, self._list)

    def mark_best(self, step: int) -> None:
        """Keeps a checkpoint that was saved, however old it gets; the best one so far may go.

        Args:
          step: its step.

        Raises:
          OutputError: the save before failed.
        """
        if step != self.best:
            # Before the new one is on disk, the old one must not go.
            self.wait()
            self.best = step
            self._list(steps(self._folder))

    def _list(self, listed: Sequence[int]) -> None:
        """Writes the list, without checkpoints that are neither among the newest nor the best."""
        old = listed[: -self._keep] if self._keep else []
        dropped = [step for step in old if step != self.best]
        found: dict[str, Any] = {"steps": [step for step in listed if step not in dropped]}
        if self.best is not None:
            found["best"] = self.best
        with atomic(Path(self._folder) / LIST, "w") as file:
            json.dump(found, file)
        for step in dropped:
            for path in (weights_path(self._folder, step), optimizer_path(self._folder, step)):
                path.unlink(missing_ok=True)

    def check(self) -> None:
        """Raises the OutputError of a save that has failed by now."""
        if self._pending is not None and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Waits until the last save is on disk.

        Raises:
          OutputError: it couldn't be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Waits as `wait` does, and ends the thread; an error that nobody asked for is told."""
        self._thread.shutdown()
        try:
            self.wait()
        except OutputError as error:
            log.error("%s", error)


def _write(
    folder: str | os.PathLike[str],
    step: int,
    weight_values: Mapping[str, Any],
    state_values: Mapping[str, Any],
    write_list: Callable[[Sequence[int]], None],
) -> None:
    # What killed processes left half-written: only one process at a time saves here.
    for left in Path(folder).glob(".*.ckpt-*.tmp"):
        left.unlink(missing_ok=True)
    write_tensors(weights_path(folder, step), weight_values, {"step": str(step)})
    write_tensors(optimizer_path(folder, step), state_values, {"step": str(step)})
    write_list([old for old in steps(folder) if old != step] + [step])


def write_weights(folder: str | os.PathLike[str], step: int, tensors: Mapping[str, Any]) -> None:
    """Makes `folder` hold one checkpoint of these weights, for decoding alone."""
    write_tensors(weights_path(folder, step), tensors, {"step": str(step)})
    with atomic(Path(folder) / LIST, "w") as file:
        json.dump({"steps": [step]}, file)


def weights(model: Any, optimizer: Any = None) -> dict[str, Any]:
    """Returns copies of the weights that decoding uses, as float32 arrays by path.

    Args:
      model: a built model.
      optimizer: where it keeps moving averages of the weights (hparam ema_decay), those are meant.
    """
    averages = {} if optimizer is None else _averages(model, optimizer)
    return {
        variable.path: _value(averages.get(variable.path, variable)) for variable in model.weights
    }


@contextlib.contextmanager
def averaged(model: Any, optimizer: Any) -> Iterator[None]:
    """Lends the model the moving averages of its weights, where the optimizer keeps them."""
    averages = _averages(model, optimizer)
    changed = [variable for variable in model.weights if variable.path in averages]
    kept = [_value(variable) for variable in changed]
    for variable in changed:
        # A copy: on JAX both would be one buffer, which an evaluation step overwrites.
        variable.assign(_value(averages[variable.path]))
    try:
        yield
    finally:
        for variable, value in zip(changed, kept, strict=True):
            variable.assign(value)


def _averages(model: Any, optimizer: Any) -> dict[str, Any]:
    """The variables that hold moving averages, by the path of the weight."""
    if not optimizer.use_ema:
        return {}
    averages = optimizer._model_variables_moving_average
    pairs = zip(model.trainable_variables, averages, strict=True)
    return {variable.path: average for variable, average in pairs}


def _value(variable: Any) -> Any:
    """A copy: the next step may write into the memory that `numpy` shows."""
    import numpy as np

    return np.array(devices.whole(variable.value))


def _values(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(variable) for name, variable in variables.items()}


def write_tensors(path: Path, tensors: Mapping[str, Any], metadata: dict[str, str]) -> None:
    """Writes arrays as one safetensors file, whole or not at all."""
    import numpy as np
    from safetensors.numpy import save as to_bytes

    # Not ascontiguousarray, which makes a scalar an array of one.
    arrays = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    with atomic(path) as file:
        file.write(to_bytes(arrays, metadata))


def read_tensors(path: Path) -> dict[str, Any]:
    """Reads all arrays of a safetensors file.

    Raises:
      CheckpointError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.exists():
        raise CheckpointError(f"{path} doesn't exist; check --output_dir and --checkpoint_path")
    try:
        return dict(load_file(path))
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}); delete it to use the one before"
        ) from (None)


def load_weights(model: Any, path: Path) -> None:
    """Assigns all weights of a built model from a file.

    Raises:
      CheckpointError: the file is damaged, or another model's.
    """
    _assign({one.path: one for one in model.weights}, read_tensors(path), path)


def load_state(folder: str | os.PathLike[str], step: int, model: Any, optimizer: Any) -> None:
    """Assigns the optimizer's slots and the random state, so that training goes on exactly.

    Raises:
      CheckpointError: the file is missing, damaged, or of another optimizer.
    """
    path = optimizer_path(folder, step)
    _assign(_state(model, optimizer), read_tensors(path), path)


def restore(folder: str | os.PathLike[str], model: Any, optimizer: Any) -> int:
    """Loads the newest checkpoint that is whole, and says which it passed over.

    Returns:
      Its step; 0 if the folder has no checkpoint.

    Raises:
      CheckpointError: there are checkpoints, but none of them can be read.
    """
    found = steps(folder)
    errors = []
    for step in reversed(found):
        try:
            load_weights(model, weights_path(folder, step))
            load_state(folder, step, model, optimizer)
            return step
        except CheckpointError as error:
            errors.append(error)
            log.warning("%s: trying the checkpoint before it", error)
    if errors:
        raise errors[0]
    return 0


def average(paths: Sequence[Path]) -> dict[str, Any]:
    """Returns the mean of the weights of several checkpoints, by path.

    Raises:
      CheckpointError: one can't be read, or they are of different models.
    """
    total: dict[str, Any] = {}
    for path in paths:
        tensors = read_tensors(path)
        if total and {k: v.shape for k, v in tensors.items()} != {
            k: v.shape for k, v in total.items()
        }:
            raise CheckpointError(f"{path} and {paths[0]} are of different models; average one's")
        for name, value in tensors.items():
            # Summed in float64: the mean of equal weights is those weights.
            total[name] = total.get(name, 0.0) + value.astype("float64")
    return {name: (value / len(paths)).astype("float32") for name, value in total.items()}


def _state(model: Any, optimizer: Any) -> dict[str, Any]:
    """The variables that training depends on besides what `weights` gives, by name in the file."""
    weight_ids = {id(variable) for variable in model.weights}
    random_states = [one for one in model.variables if id(one) not in weight_ids]
    state = {variable.path: variable for variable in [*optimizer.variables, *random_states]}
    # Where the file of weights holds averages, the weights themselves are training state.
    averages = _averages(model, optimizer)
    trained = {f"trained/{one.path}": one for one in model.weights if one.path in averages}
    return {**state, **trained}


def _assign(variables: Mapping[str, Any], tensors: Mapping[str, Any], path: Path) -> None:
    for name, variable in variables.items():
        value = tensors.get(name)
        if value is None:
            raise CheckpointError(
                f"{path} has no {name}: it is of another model or optimizer; check --output_dir, "
                f"--model, --hparams_set and --hparams"
            )
        if tuple(value.shape) != tuple(variable.shape):
            raise CheckpointError(
                f"{path}: {name} has shape {list(value.shape)}, the model needs "
                f"{list(variable.shape)}; check --hparams and the vocabulary"
            )
    for name, variable in variables.items():
        variable.assign(tensors[name])
