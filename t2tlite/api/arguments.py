"""Turns keywords that several functions take, under the flags' names, into objects."""

from __future__ import annotations

import functools
import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from t2tlite import buckets, plugins
from t2tlite.assignments import convert
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.decoder import Decoder
from t2tlite.devices import devices
from t2tlite.errors import DataError, HParamsError
from t2tlite.files import folder_path, split_paths

PathLike = str | os.PathLike[str]
_SIMPLE = (bool, int, float, str)

# The flags that choose where to run, which `device` reads.
DEVICE_FLAGS = (
    *("use_tpu", "backend", "worker_gpu", "worker_gpu_memory_fraction", "model_parallel"),
)


_P = ParamSpec("_P")
_R = TypeVar("_R")


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorator: converts arguments that are numbers, truth values or strings to their types.

    The function raises an HParamsError for one that isn't of its type. NumPy's numbers, and texts
    of numbers, are as good as Python's. URLs of files and folders become paths of local copies, and
    what is written to these is uploaded.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            # Python's own message names the function.
            return function(*args, **kwargs)
        hints = typing.get_type_hints(function)
        for name, value in bound.arguments.items():
            hint = hints.get(name)
            if value is None and hint in _SIMPLE:
                raise HParamsError(f"{name}=None; leave it out for the default")
            if hint in (*_SIMPLE, int | None, bool | None):
                bound.arguments[name] = convert(name, value, hint)
            bound.arguments[name] = buckets.local(name, bound.arguments[name])
        with buckets.uploading():
            return function(*bound.args, **bound.kwargs)

    return call


def load_usr_dirs(t2t_usr_dir: PathLike | Sequence[PathLike]) -> list[str]:
    """Imports plugin folders, given as one path, as several with commas, or as a list of paths.

    Returns:
      The folders.
    """
    if isinstance(t2t_usr_dir, str | os.PathLike):
        paths = split_paths(os.fspath(t2t_usr_dir))
    else:
        paths = [buckets.local("t2t_usr_dir", os.fspath(path)) for path in t2t_usr_dir]
    for path in paths:
        plugins.load_usr_dir(path)
    return paths


def device(flags: Mapping[str, Any]) -> devices.Devices:
    """Returns the devices that DEVICE_FLAGS choose."""
    return devices.choose(
        use_tpu=flags["use_tpu"],
        backend=flags["backend"],
        worker_gpu=flags["worker_gpu"],
        memory_fraction=flags["worker_gpu_memory_fraction"],
        model_parallel=flags["model_parallel"],
    )


def load_decoder(
    model: PathLike | Decoder,
    checkpoint_path: PathLike | int,
    decode_hparams: str | Mapping[str, Any] | DecodeHParams,
    t2t_usr_dir: PathLike | Sequence[PathLike],
    on: devices.Devices | None = None,
    engine: str = "keras",
) -> Decoder:
    """Returns the Decoder of a model folder, or the given one; engines: `engine_maker`.

    Raises:
      DataError: arguments are given that a loaded Decoder can't follow any more.
    """
    if isinstance(model, Decoder):
        if checkpoint_path or decode_hparams or t2t_usr_dir:
            raise DataError(
                "checkpoint_path, decode_hparams and t2t_usr_dir go with a model folder; give a "
                "Decoder its own when it is created"
            )
        return model
    # Imports Keras, which must follow the choice of a backend.
    from t2tlite.exporting.automatic_engine import engine_maker

    path, usr_dirs = folder_path(model, "output_dir"), load_usr_dirs(t2t_usr_dir)
    checkpoint = checkpoint_path if isinstance(checkpoint_path, int) else os.fspath(checkpoint_path)
    make_engine = engine_maker(engine, checkpoint, on)
    return Decoder(path, checkpoint, decode_hparams, usr_dirs, on, make_engine=make_engine)
