"""Checkpoints: weights and training state as safetensors, listed in checkpoint.json.

    model.ckpt-STEP.safetensors       weights by Keras path, the same for TensorFlow and JAX
    optimizer.ckpt-STEP.safetensors   optimizer slots and dropout's random state
    checkpoint.json                   {"steps": [..., newest], "best": STEP}

Files are written atomically, and a checkpoint is listed once both of its files are on disk. The
metadata of a safetensors file hold a CRC-32 of its tensors, which is checked when it is read.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite import buckets
from t2tlite.checkpoint.tensor_files import read_tensors, write_tensors
from t2tlite.devices import jax_devices
from t2tlite.errors import CheckpointError, OutputError
from t2tlite.files import atomic, locked, read_json

log = logging.getLogger(__name__)

LIST = "checkpoint.json"
LOCK = ".training.lock"


def weights_path(folder: str | os.PathLike[str], step: int | str) -> Path:
    """Returns the path of the weights after `step` updates."""
    return Path(folder) / f"model.ckpt-{step}.safetensors"


def optimizer_path(folder: str | os.PathLike[str], step: int | str) -> Path:
    """Returns the path of the training state after `step` updates."""
    return Path(folder) / f"optimizer.ckpt-{step}.safetensors"


def steps(folder: str | os.PathLike[str]) -> list[int]:
    """Returns the steps of the checkpoints in `folder`, oldest first.

    Raises:
      CheckpointError: checkpoint.json is damaged, or missing beside checkpoints.
    """
    return [
        n for n in _read_list(folder)[0] if buckets.size_of(weights_path(folder, n)) is not None
    ]


def _read_list(folder: str | os.PathLike[str]) -> tuple[list[int], int | None]:
    """Returns the listed steps and the best one, None if unknown."""
    path = Path(folder) / LIST
    try:
        listed = read_json(path)
        return [_check_step(step) for step in listed["steps"]], _check_step(listed.get("best"))
    except (FileNotFoundError, NotADirectoryError):
        if not (present := _steps_of_files(folder)):
            return [], None
        problem = "is missing beside checkpoints"
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        present, problem = _steps_of_files(folder), f"is damaged ({error})"
    except OSError as error:
        raise CheckpointError(
            f"can't read {path}: {error.strerror}; check its permissions"
        ) from None
    raise CheckpointError(
        f'{path} {problem}; write {{"steps": {present}}} into it to use the checkpoints beside it, '
        f"or choose another --output_dir to start over"
    )


def _check_step(value: Any) -> Any:
    """Returns a step of checkpoint.json, where None stands for an unknown one."""
    if value is not None and (type(value) is not int or not 0 <= value < 2**63):
        raise ValueError(f"{str(value)[:40]!r} is not a step")
    return value


def _steps_of_files(folder: str | os.PathLike[str]) -> list[int]:
    """Returns the steps of all weights files in `folder`, listed or not, the lowest first."""
    paths = Path(folder).glob("model.ckpt-*.safetensors")
    names = [path.stem.removeprefix("model.ckpt-") for path in paths]
    return sorted(int(name) for name in names if name.isdecimal() and len(name) < 19)


def best(folder: str | os.PathLike[str]) -> int | None:
    """Returns the step of the best checkpoint; None if it is unknown or gone.

    Raises:
      CheckpointError: as `steps`.
    """
    step = _read_list(folder)[1]
    return step if step in steps(folder) else None


@contextlib.contextmanager
def locked_folder(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Context in which no other process of t2tlite writes checkpoints to `folder`.

    Raises:
      OutputError: another process does already, or the folder can't be written.
    """
    path = Path(folder) / LOCK
    busy = OutputError(
        f"another process is training or writing checkpoints in {folder}; wait for it or stop it, "
        f"or choose another --output_dir"
    )
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(path, busy))
        except OutputError as error:
            cause = getattr(error.__cause__, "errno", None)
            if cause not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            log.warning("%s has no locks: make sure that no other training runs there", folder)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def find(folder: str | os.PathLike[str], checkpoint: str | int) -> Path:
    """Returns the path of a checkpoint's weights, fetched if the folder is a bucket's.

    Args:
      folder: the model folder.
      checkpoint: "" for the newest; "best" by --eval_early_stopping_metric; a step; or a path with
        or without .safetensors.

    Raises:
      CheckpointError: the folder has no newest or best checkpoint.
    """
    if not isinstance(checkpoint, str | os.PathLike | Integral):
        raise CheckpointError(f"checkpoint={checkpoint!r:.40}; expected a step, a path or 'best'")
    step = str(checkpoint)
    if step == "":
        if not (saved := steps(folder)):
            raise CheckpointError(
                f"{folder} has no checkpoint; train first with t2t-trainer --output_dir={folder}"
            )
        step = str(saved[-1])
    elif step == "best":
        best_step = best(folder)
        if best_step is None:
            raise CheckpointError(
                f"{folder} has no best checkpoint: none was evaluated in training; leave out "
                f"--checkpoint_path for the newest, or name a step"
            )
        step = str(best_step)
    path = weights_path(folder, step) if step.isdigit() else Path(step)
    path = path if path.suffix == ".safetensors" else Path(f"{path}.safetensors")
    buckets.fetch(path)
    return path


class Saver:
    """Saves checkpoints in a background thread; training waits only for the copy in memory.

    Args:
      folder: the output_dir.
      keep: number of newest checkpoints to keep besides the best one; 0: all.

    Attributes:
      best: step of the best checkpoint, None if unknown.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int):
        self._folder = folder
        self._keep = keep
        self.best = _read_list(folder)[1]
        self._thread = ThreadPoolExecutor(1, "saver")
        self._pending: Future[None] | None = None

    def save(self, step: int, model: Any, optimizer: Any) -> None:
        """Copies weights and training state after `step` updates, and starts to write them.

        Raises:
          OutputError: the previous save failed: the disk is full or the folder read-only. Older
            checkpoints are unchanged.
        """
        self.wait()
        state = {name: _copy(variable) for name, variable in _state(model, optimizer).items()}
        self._pending = self._thread.submit(self._write, step, weights(model, optimizer), state)

    def mark_best(self, step: int) -> None:
        """Keeps the saved checkpoint of `step` as the best one instead of the previous best.

        Raises:
          OutputError: the previous save failed.
        """
        if step != self.best:
            # The new best must be on disk before the old one is deleted.
            self.wait()
            self.best = step
            self._write_list(steps(self._folder))

    def _write(self, step: int, weight_values: dict[str, Any], state: dict[str, Any]) -> None:
        # Temporary files of killed processes: only one process at a time saves here.
        for temporary in Path(self._folder).glob(".*.ckpt-*.tmp"):
            temporary.unlink(missing_ok=True)
        _begin_list(self._folder)
        write_tensors(weights_path(self._folder, step), weight_values, {"step": str(step)})
        write_tensors(optimizer_path(self._folder, step), state, {"step": str(step)})
        self._write_list([*(old for old in steps(self._folder) if old != step), step])

    def _write_list(self, saved: Sequence[int]) -> None:
        """Writes checkpoint.json and deletes what is neither among the newest nor the best."""
        dropped = {*saved[: -self._keep]} - {self.best} if self._keep else set()
        content: dict[str, Any] = {"steps": [step for step in saved if step not in dropped]}
        if self.best is not None:
            content["best"] = self.best
        with atomic(Path(self._folder) / LIST, "w") as file:
            json.dump(content, file)
        for step in dropped:
            buckets.remove(weights_path(self._folder, step))
            buckets.remove(optimizer_path(self._folder, step))

    def check(self) -> None:
        """Raises the OutputError of a save that has already failed; doesn't wait."""
        if self._pending and self._pending.done():
            self.wait()

    def wait(self) -> None:
        """Waits until the last save is on disk.

        Raises:
          OutputError: it failed.
        """
        pending, self._pending = self._pending, None
        if pending:
            pending.result()

    def close(self) -> None:
        """Waits for the last save, logs its error if it failed, and ends the thread."""
        self._thread.shutdown()
        try:
            self.wait()
        except OutputError as error:
            log.error("%s", error)


def write_weights(folder: str | os.PathLike[str], step: int, tensors: Mapping[str, Any]) -> None:
    """Writes a checkpoint without training state, as the only one of `folder`."""
    _begin_list(folder)
    write_tensors(weights_path(folder, step), tensors, {"step": str(step)})
    with atomic(Path(folder) / LIST, "w") as file:
        json.dump({"steps": [step]}, file)


def _begin_list(folder: str | os.PathLike[str]) -> None:
    """Writes an empty checkpoint.json if there is none: one must not be missing beside weights."""
    path = Path(folder) / LIST
    if not path.exists():
        with atomic(path, "w") as file:
            json.dump({"steps": []}, file)


def weights(model: Any, optimizer: Any = None) -> dict[str, Any]:
    """Returns copies of the weights for decoding, as float32 arrays by path.

    If the optimizer keeps moving averages (hparam ema_decay), they are returned instead.
    """
    averages = {} if optimizer is None else _averages(model, optimizer)
    return {weight.path: _copy(averages.get(weight.path, weight)) for weight in model.weights}


@contextlib.contextmanager
def averaged(model: Any, optimizer: Any) -> Iterator[None]:
    """Context in which the model has the moving averages of its weights, if there are any."""
    averages = _averages(model, optimizer)
    values = [(weight, _copy(weight)) for weight in model.weights if weight.path in averages]
    for weight, _ in values:
        # A copy: on JAX both would share one buffer, which an evaluation step overwrites.
        weight.assign(_copy(averages[weight.path]))
    try:
        yield
    finally:
        for weight, value in values:
            weight.assign(value)


def _averages(model: Any, optimizer: Any) -> dict[str, Any]:
    """Returns the variables that hold moving averages, by path of the weight."""
    if not optimizer.use_ema:
        return {}
    averages = optimizer._model_variables_moving_average
    return dict(zip((weight.path for weight in model.trainable_variables), averages, strict=True))


def _copy(variable: Any) -> Any:
    """Returns a copy of a value: the next step may overwrite the memory that `numpy` returns."""
    return np.array(jax_devices.to_numpy(variable.value))


def load_weights(model: Any, path: Path) -> None:
    """Assigns all weights of a built model from a file.

    Raises:
      CheckpointError: the file is missing, damaged or of another model, or a trained weight in it
        isn't finite.
    """
    tensors = read_tensors(path)
    for weight in model.trainable_weights:
        if not np.isfinite(tensors.get(weight.path, 0.0)).all():
            raise CheckpointError(
                f"{path} is damaged ({weight.path} has values that are NaN or infinite); delete it "
                f"to use the previous checkpoint"
            )
    _assign({weight.path: weight for weight in model.weights}, tensors, path)


def restore(folder: str | os.PathLike[str], model: Any, optimizer: Any) -> int:
    """Loads weights and training state of the newest undamaged checkpoint; warns about others.

    Returns:
      Its step; 0 if the folder has no checkpoint.

    Raises:
      CheckpointError: there are checkpoints, but none can be loaded, or their files are missing.
    """
    errors = []
    saved = steps(folder)
    if not saved and (listed := _read_list(folder)[0]):
        raise CheckpointError(
            f"{Path(folder) / LIST} lists the steps {listed}, but none of their files "
            f"model.ckpt-STEP.safetensors exists; put them back, or delete {LIST} to start over"
        )
    for step in reversed(saved):
        path = optimizer_path(folder, step)
        try:
            load_weights(model, weights_path(folder, step))
            tensors = read_tensors(path)
            if batches := optimizer.gradient_accumulation_steps:
                # An older checkpoint doesn't count the tokens of accumulated gradients.
                tokens = optimizer.accumulated_tokens.path
                tensors.setdefault(tokens, np.array(-(step % batches), "float32"))
            _assign(_state(model, optimizer), tensors, path)
            return step
        except CheckpointError as error:
            errors.append(error)
            log.warning("%s: trying the previous checkpoint", error)
    if errors:
        raise errors[0]
    return 0


def average(paths: Sequence[Path]) -> dict[str, Any]:
    """Returns the mean of the weights of several checkpoints, as float32 arrays by path.

    Raises:
      CheckpointError: one can't be read, or they are of different models.
    """
    total: dict[str, Any] = {}
    for path in paths:
        tensors = read_tensors(path)
        shapes = {name: value.shape for name, value in tensors.items()}
        if total and shapes != {name: value.shape for name, value in total.items()}:
            raise CheckpointError(
                f"{path} and {paths[0]} are of different models; give checkpoints of one model"
            )
        for name, value in tensors.items():
            # Summed in float64, so that the mean of equal weights is exactly these weights.
            total[name] = total.get(name, 0.0) + value.astype("float64")
    return {name: (value / len(paths)).astype("float32") for name, value in total.items()}


def _state(model: Any, optimizer: Any) -> dict[str, Any]:
    """Returns the training state, by name in the file: all variables that `weights` leaves out."""
    weight_ids = {id(weight) for weight in model.weights}
    random_states = [variable for variable in model.variables if id(variable) not in weight_ids]
    state = {variable.path: variable for variable in [*optimizer.variables, *random_states]}
    # `weights` returns the averages of these.
    averages = _averages(model, optimizer)
    trained = {f"trained/{w.path}": w for w in model.weights if w.path in averages}
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
