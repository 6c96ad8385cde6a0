"""Averages of weights: over the updates of a training, and over checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite.checkpoint.tensor_files import read_tensors
from t2tlite.devices import jax_devices
from t2tlite.errors import CheckpointError

# Before the names of weights in the optimizer's file, where the weights' file has their averages.
TRAINED = "trained/"


def of_weights(model: Any, optimizer: Any) -> dict[str, Any]:
    """Returns the variables that hold averages, by path of the weight; empty if there are none.

    Args:
      model: of the weights.
      optimizer: keeps averages with the hparam ema_decay or average_last_share.
    """
    if not optimizer.use_ema:
        return {}
    averages = optimizer._model_variables_moving_average
    return dict(zip((weight.path for weight in model.trainable_variables), averages, strict=True))


def fill(tensors: dict[str, Any], model: Any, optimizer: Any) -> None:
    """Adds averages that the state of a training without them lacks: they begin with the weights.

    A mean over updates that the state didn't count begins anew.

    Args:
      tensors: the training state, from the optimizer's file.
      model: has the weights of that checkpoint.
      optimizer: of the training that goes on.
    """
    means = of_weights(model, optimizer)
    for weight in model.weights:
        if weight.path in means and means[weight.path].path not in tensors:
            value = copied(weight)
            tensors.update({means[weight.path].path: value, f"{TRAINED}{weight.path}": value})
    if (count := optimizer.averaged_updates) is not None:
        tensors.setdefault(count.path, np.zeros((), "float32"))


@contextlib.contextmanager
def averaged(model: Any, optimizer: Any) -> Iterator[None]:
    """Context in which the model has the averages of its weights, if there are any."""
    averages = of_weights(model, optimizer)
    values = [(weight, copied(weight)) for weight in model.weights if weight.path in averages]
    for weight, _ in values:
        # A copy: on JAX both would share one buffer, which an evaluation step overwrites.
        weight.assign(copied(averages[weight.path]))
    try:
        yield
    finally:
        for weight, value in values:
            weight.assign(value)


def copied(variable: Any) -> Any:
    """Returns a copy of a value: the next step may overwrite the memory that `numpy` returns."""
    return np.array(jax_devices.to_numpy(variable.value))


def trained_weights(weights: Path, optimizer: Path) -> dict[str, Any]:
    """Returns the weights of a checkpoint themselves, by path, where its file has their averages.

    Args:
      weights, optimizer: the checkpoint's files.

    Raises:
      CheckpointError: a file is missing or damaged.
    """
    state = read_tensors(optimizer)
    return {n: state.get(f"{TRAINED}{n}", value) for n, value in read_tensors(weights).items()}


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
