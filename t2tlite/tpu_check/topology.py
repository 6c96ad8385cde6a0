"""TPU slices to compile for without a TPU, with the compiler in libtpu.

`set_variables` must be called before anything imports jax or keras. A core is what JAX calls a
device: half a chip of v4, a whole chip of the others.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from t2tlite import libraries
from t2tlite.errors import DeviceError

EXAMPLES = "v5e:2x4, v6e:2x4, v4:2x2x1 or v5p:2x2x1"
GIB = 2**30

# GiB of a chip that programs may use, a little less than its HBM, as the compiler of libtpu 0.0.52
# reports them; rows and columns of the matrix unit, from Google's Cloud TPU documentation.
CHIPS = {"v4": (30.5, 128), "v5e": (15.75, 128), "v5p": (95.73, 128), "v6e": (31.24, 256)}


@dataclass(frozen=True)
class Topology:
    """A slice of a TPU."""

    name: str  # for example "v5e:2x4"
    devices: tuple[Any, ...]  # JAX's descriptions of the cores
    chips: int
    core_memory: float  # bytes that a program may use on a core
    matrix_unit: int  # rows and columns of the matrix unit

    @property
    def cores(self) -> int:
        """Number of cores, which share a batch."""
        return len(self.devices)


def set_variables() -> None:
    """Sets the environment variables that let jax and libtpu compile without a TPU."""
    os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TPU_SKIP_MDS_QUERY": "1"}
    # libtpu allows one process a machine, which matters only where there is a TPU to hold.
    os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"


def require_compiler() -> None:
    """Raises DeviceError unless jax and libtpu are installed."""
    missing = [name for name in ("jax", "libtpu") if not libraries.is_installed(name)]
    if missing:
        raise DeviceError(
            f"compiling for a TPU needs {' and '.join(missing)}, not installed: "
            f"pip install t2tlite[tpu]"
        )


def describe(name: str) -> Topology:
    """Returns the topology of a name such as "v5e:2x4": generation, colon, chips each way.

    Raises:
      DeviceError: there is no such TPU.
    """
    generation = name.partition(":")[0]
    if generation not in CHIPS:
        raise DeviceError(
            f"--topology={name}: unknown generation before the colon, expected one of "
            f"{', '.join(CHIPS)}; give for example {EXAMPLES}"
        )
    import jax
    from jax.experimental import topologies

    try:
        with libraries.hidden_standard_error():
            devices = topologies.get_topology_desc(platform="tpu", topology_name=name).devices
    except (jax.errors.JaxRuntimeError, ValueError, NotImplementedError) as error:
        raise DeviceError(
            f"--topology={name}: libtpu has no such TPU ({str(error).splitlines()[0]}); give for "
            f"example {EXAMPLES}"
        ) from None
    chips = len({tuple(device.coords) for device in devices})
    gib, matrix_unit = CHIPS[generation]
    return Topology(name, tuple(devices), chips, gib * GIB * chips / len(devices), matrix_unit)
