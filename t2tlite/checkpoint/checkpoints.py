"""Checkpoints: weights and training state as safetensors, listed in checkpoint.json.

    model.ckpt-STEP.safetensors       weights by Keras path, the same for TensorFlow and JAX
    optimizer.ckpt-STEP.safetensors   optimizer slots and dropout's random state
    checkpoint.json                   {"steps": [..., newest], "best": STEP}
    model.ckpt-STEP-raw.safetensors   the best weights, if they aren't the averages of that step

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
from t2tlite.checkpoint import averages
from t2tlite.checkpoint.tensor_files import read_tensors, write_tensors
from t2tlite.errors import CheckpointError, OutputError
from t2tlite.files import atomic, kept_if_filled, locked, read_json

log = logging.getLogger(__name__)

LIST = "checkpoint.json"
LOCK = ".training.lock"

# Of the best weights that aren't the averages of their step: in checkpoint.json, in a file's name.
_RAW = "raw"


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


def _read_list(folder: str | os.PathLike[str]) -> tuple[list[int], int | None, bool]:
    """Returns the listed steps; the best one, None if unknown; whether its raw weights are best."""
    path = Path(folder) / LIST
    try:
        listed = read_json(path)
        is_raw = listed.get("best_weights") == _RAW
        return list(map(_check_step, listed["steps"])), _check_step(listed.get("best")), is_raw
    except (FileNotFoundError, NotADirectoryError):
        if not (present := _steps_of_files(folder)):
            return [], None, False
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


def best_is_raw(folder: str | os.PathLike[str]) -> bool:
    """Returns whether "best" is the weights themselves, of a training that averages them.

    Raises:
      CheckpointError: as `steps`.
    """
    return _read_list(folder)[2]


@contextlib.contextmanager
def locked_folder(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Context in which no other process of t2tlite writes checkpoints to `folder`.

    A folder that it creates is removed if nothing is in it at the end.

    Raises:
      OutputError: another process does already, or the folder can't be written.
    """
    path = Path(folder) / LOCK
    busy = OutputError(
        f"another process is training or writing checkpoints in {folder}; wait for it or stop it, "
        f"or choose another --output_dir"
    )
    with kept_if_filled(folder), contextlib.ExitStack() as stack:
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
        step = f"{best_step}-{_RAW}" if best_is_raw(folder) else str(best_step)
        return _fetched(weights_path(folder, step))
    path = weights_path(folder, step) if step.isdigit() else Path(step)
    return _fetched(path if path.suffix == ".safetensors" else Path(f"{path}.safetensors"))


def _fetched(path: Path) -> Path:
    buckets.fetch(path)
    return path


class Saver:
    """Saves checkpoints in a background thread; training waits only for the copy in memory.

    Args:
      folder: the output_dir.
      keep: number of newest checkpoints to keep besides the best one; 0: all.

    Attributes:
      best: step of the best checkpoint, None if unknown.
      best_is_raw: whether the best weights of that step aren't the averages.
    """

    def __init__(self, folder: str | os.PathLike[str], keep: int):
        self._folder = folder
        self._keep = keep
        _, self.best, self.best_is_raw = _read_list(folder)
        self._thread = ThreadPoolExecutor(1, "saver")
        self._pending: Future[None] | None = None

    def save(self, step: int, model: Any, optimizer: Any) -> None:
        """Copies weights and training state after `step` updates, and starts to write them.

        Raises:
          OutputError: the previous save failed: the disk is full or the folder read-only. Older
            checkpoints are unchanged.
        """
        self.wait()
        state = {
            name: averages.copied(variable) for name, variable in _state(model, optimizer).items()
        }
        self._pending = self._thread.submit(self._write, step, weights(model, optimizer), state)

    def mark_best(self, step: int, is_raw: bool = False) -> None:
        """Keeps the saved checkpoint of `step` as the best one instead of the previous best.

        Args:
          step: of the checkpoint.
          is_raw: whether its best weights aren't the averages; then they get a file of their own.

        Raises:
          OutputError: the previous save failed.
          CheckpointError: the checkpoint can't be read.
        """
        if (step, is_raw) == (self.best, self.best_is_raw):
            return
        # The new best must be on disk before the old one is deleted.
        self.wait()
        if is_raw:
            paths = weights_path(self._folder, step), optimizer_path(self._folder, step)
            tensors = averages.trained_weights(*paths)
            write_tensors(
                weights_path(self._folder, f"{step}-{_RAW}"), tensors, {"step": str(step)}
            )
        self.best, self.best_is_raw = step, is_raw
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
        kept = ""
        if self.best_is_raw:
            content["best_weights"] = _RAW
            kept = weights_path(self._folder, f"{self.best}-{_RAW}").name
        with atomic(Path(self._folder) / LIST, "w") as file:
            json.dump(content, file)
        for step in dropped:
            buckets.remove(weights_path(self._folder, step))
            buckets.remove(optimizer_path(self._folder, step))
        for path in Path(self._folder).glob(f"model.ckpt-*-{_RAW}.safetensors"):
            if path.name != kept:
                buckets.remove(path)

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

    If the optimizer keeps averages (hparams ema_decay, average_last_share), they are returned.
    """
    means = {} if optimizer is None else averages.of_weights(model, optimizer)
    return {one.path: averages.copied(means.get(one.path, one)) for one in model.weights}


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

    Averages that the checkpoint doesn't have begin with its weights.

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
            averages.fill(tensors, model, optimizer)
            trained = {f"{averages.TRAINED}{weight.path}": weight for weight in model.weights}
            state = {**_state(model, optimizer), **{n: trained[n] for n in trained if n in tensors}}
            _assign(state, tensors, path)
            return step
        except CheckpointError as error:
            errors.append(error)
            log.warning("%s: trying the previous checkpoint", error)
    if errors:
        raise errors[0]
    return 0


def _state(model: Any, optimizer: Any) -> dict[str, Any]:
    """Returns the training state, by name in the file: all variables that `weights` leaves out."""
    weight_ids = {id(weight) for weight in model.weights}
    random_states = [variable for variable in model.variables if id(variable) not in weight_ids]
    state = {variable.path: variable for variable in [*optimizer.variables, *random_states]}
    # `weights` returns the averages of these.
    means = averages.of_weights(model, optimizer)
    trained = {f"{averages.TRAINED}{w.path}": w for w in model.weights if w.path in means}
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
