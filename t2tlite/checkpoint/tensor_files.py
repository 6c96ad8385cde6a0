"""Arrays by name as safetensors files, with a checksum of their content."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from t2tlite import buckets
from t2tlite.errors import CheckpointError
from t2tlite.files import atomic


def write_tensors(path: Path, tensors: Mapping[str, Any], metadata: dict[str, str]) -> None:
    """Writes arrays, with their checksum, as one safetensors file, atomically."""
    from safetensors.numpy import save as to_bytes

    # Not ascontiguousarray, which turns a scalar into an array of shape [1].
    arrays = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    with atomic(path) as file:
        file.write(to_bytes(arrays, {**metadata, "crc32": _checksum(arrays)}))


def read_tensors(path: Path) -> dict[str, Any]:
    """Reads all arrays of a safetensors file and checks their checksum; older files have none.

    Raises:
      CheckpointError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    buckets.fetch(path)
    if not os.path.exists(path):
        raise CheckpointError(f"{path} doesn't exist; check --output_dir and --checkpoint_path")
    try:
        with safe_open(path, "numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            checksum = (file.metadata() or {}).get("crc32")
        if checksum not in (None, _checksum(tensors)):
            raise ValueError("its checksum is wrong")
        return tensors
    except (SafetensorError, ValueError, OSError, LookupError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path} is damaged ({reason}); delete it to use the previous checkpoint"
        ) from None


def parameter_count(path: Path) -> int:
    """Returns the number of values in a safetensors file, which it doesn't read.

    Raises:
      CheckpointError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} is damaged ({reason})") from None
    return sum(map(math.prod, shapes))


def _checksum(arrays: Mapping[str, Any]) -> str:
    """Returns a CRC-32, in hexadecimal, of names, types, shapes and content of arrays."""
    crc = 0
    for name, array in sorted(arrays.items()):
        crc = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8), crc)
    return f"{crc:08x}"
