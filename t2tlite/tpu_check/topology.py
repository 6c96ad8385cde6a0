"""TPUs that aren't here: their chips, and compiling for them with the compiler in libtpu.

`set_variables` must be called before anything imports jax or keras. A core is what JAX calls a
device: half a chip of v4, a whole chip of the others.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import Any

from t2tlite.devices import silence
from t2tlite.errors import DeviceError

EXAMPLES = "v5e:2x4, v6e:2x4, v4:2x2x1 or v5p:2x2x1"


@dataclass(frozen=True)
class Chip:
    """What a generation of TPU has a chip.

    From the pages "TPU v4", "TPU v5e", "TPU v5p" and "TPU v6e" of Google's Cloud TPU documentation
    (docs.cloud.google.com/tpu/docs); the links of v4 from Jouppi et al. 2023, "TPU v4: An Optically
    Reconfigurable Supercomputer" (6 links of 50 GB/s). `hbm_bytes` is what the compiler of libtpu
    0.0.52 says that a program may use, which is a little less than there is.

    Attributes:
      peak_flops: bfloat16 operations a second.
      hbm_bytes: memory that the programs on a chip's cores may use.
      hbm_bytes_per_second: bandwidth of that memory.
      link_bytes_per_second: what a chip can send to others, over all its links.
      matrix_unit: rows and columns of the matrix unit.
    """

    peak_flops: float
    hbm_bytes: int
    hbm_bytes_per_second: float
    link_bytes_per_second: float
    matrix_unit: int


def _gib(number: float) -> int:
    return int(number * 2**30)


CHIPS = {
    "v4": Chip(275e12, _gib(30.5), 1200e9, 300e9, 128),
    "v5e": Chip(197e12, _gib(15.75), 819e9, 200e9, 128),
    "v5p": Chip(459e12, _gib(95.73), 2765e9, 600e9, 128),
    "v6e": Chip(918e12, _gib(31.24), 1638e9, 400e9, 256),
}


@dataclass(frozen=True)
class Topology:
    """A slice of a TPU.

    Attributes:
      name: as "v5e:2x4".
      chip: what each chip has.
      devices: JAX's descriptions of the cores.
      chips: how many.
    """

    name: str
    chip: Chip
    devices: tuple[Any, ...]
    chips: int

    @property
    def cores(self) -> int:
        """How many cores share a batch."""
        return len(self.devices)

    def a_core(self, of_chip: float) -> float:
        """A core's part of what a chip has."""
        return of_chip * self.chips / self.cores

    def __str__(self) -> str:
        return f"{self.name}: {self.cores} cores on {self.chips} chips"


def set_variables() -> None:
    """Tells Keras, jax and libtpu that no TPU is here; call it before any of them is imported."""
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["TPU_SKIP_MDS_QUERY"] = "1"
    # A process that holds a TPU must be alone with it, but this one holds none.
    os.environ["ALLOW_MULTIPLE_LIBTPU_LOAD"] = "1"


def require_compiler() -> None:
    """Makes sure that jax and libtpu are there.

    Raises:
      DeviceError: they aren't installed.
    """
    missing = [name for name in ("jax", "libtpu") if importlib.util.find_spec(name) is None]
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
    chip = CHIPS.get(name.partition(":")[0])
    if chip is None:
        raise DeviceError(
            f"--topology={name}: its part before the colon is not one of {', '.join(CHIPS)}; "
            f"give for example {EXAMPLES}"
        )
    import jax
    from jax.experimental import topologies

    try:
        with silence.standard_error():
            devices = topologies.get_topology_desc(platform="tpu", topology_name=name).devices
    except (jax.errors.JaxRuntimeError, ValueError, NotImplementedError) as error:
        raise DeviceError(
            f"--topology={name}: libtpu knows no such TPU ({str(error).splitlines()[0]}); give "
            f"for example {EXAMPLES}"
        ) from None
    chips = {tuple(device.coords) for device in devices}
    return Topology(name, chip, tuple(devices), len(chips))
