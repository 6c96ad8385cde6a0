"""Steps compiled for a TPU, and what the compiled program tells: memory, work, exchanges.

All numbers are those of one core.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from t2tlite.devices import silence
from t2tlite.errors import DeviceError
from t2tlite.tpu_check import operations
from t2tlite.tpu_check.hlo import Module
from t2tlite.tpu_check.topology import Topology

GIB = 2**30
# Tensors of a batch: name -> shape and dtype.
Shapes = dict[str, tuple[tuple[int, ...], str]]


@dataclass(frozen=True)
class Step:
    """Something to compile: what Keras would give to jax.jit.

    Attributes:
      name: for the report.
      function: of state and data, returns outputs and state.
      state: lists of Keras variables; donated, so that results take their place.
      data: shapes of the batch, whose rows are divided among the cores.
    """

    name: str
    function: Callable[[Any, Any], Any]
    state: tuple[list[Any], ...]
    data: Shapes

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of the batch, and the length of its longest."""
        shapes = [shape for shape, _ in self.data.values()]
        return shapes[0][0], max(shape[1] for shape in shapes if len(shape) > 1)


@dataclass(frozen=True)
class Memory:
    """Bytes of a core's memory that a program takes.

    Attributes:
      arguments: weights, state of the optimizer and batch.
      temporaries: what lives within a step, results that don't replace arguments included.
      code: the program itself.
    """

    arguments: int
    temporaries: int
    code: int

    @property
    def total(self) -> int:
        """All together."""
        return self.arguments + self.temporaries + self.code


@dataclass(frozen=True)
class Program:
    """A compiled step.

    Attributes:
      step: what was compiled.
      memory: what it takes.
      module: its text.
      seconds: that compiling took.
    """

    step: Step
    memory: Memory
    module: Module
    seconds: float

    @functools.cached_property
    def products(self) -> list[operations.Product]:
        """The matrix products of a step."""
        return operations.products(self.module)

    @functools.cached_property
    def collectives(self) -> list[operations.Collective]:
        """The exchanges of a step."""
        return operations.collectives(self.module)

    @property
    def matrix_flops(self) -> int:
        """Operations of matrix products."""
        return sum(product.flops for product in self.products)

    @functools.cached_property
    def single_operations(self) -> int:
        """Operations on single numbers, those on integers (random bits, masks) included."""
        return operations.single_operations(self.module)

    @functools.cached_property
    def hbm_bytes(self) -> int:
        """Bytes read from and written to memory."""
        return operations.hbm_bytes(self.module)

    @property
    def collective_bytes(self) -> int:
        """Bytes of the results of all exchanges."""
        return sum(one.bytes * one.times for one in self.collectives)


class DoesNotFit(DeviceError):
    """A program that needs more memory than a core has."""


class CannotCompile(DeviceError):
    """A step that the compiler refuses; the message names the layer."""


def compile_step(step: Step, topology: Topology) -> Program:
    """Compiles a step for a TPU.

    Raises:
      DoesNotFit: its memory is too small.
      CannotCompile: a shape or a branch depends on data.
    """
    mesh = Mesh(np.array(topology.devices), ("batch",))

    def abstract(shape: tuple[int, ...], dtype: str, spec: PartitionSpec) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))

    state = tuple(
        [abstract(one.shape, one.dtype, PartitionSpec()) for one in variables]
        for variables in step.state
    )
    data = {name: abstract(*one, PartitionSpec("batch")) for name, one in step.data.items()}
    shardings = jax.tree.map(lambda one: one.sharding, state)
    started = time.monotonic()
    jitted = jax.jit(step.function, donate_argnums=0, out_shardings=(None, shardings))
    lowered = _traced(step, lambda: jitted.lower(state, (data,)))
    try:
        with silence.standard_error():
            compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        raise _told(step, str(error)) from None
    found = compiled.memory_analysis()
    memory = Memory(
        arguments=found.argument_size_in_bytes,
        temporaries=found.temp_size_in_bytes
        + found.output_size_in_bytes
        - found.alias_size_in_bytes,
        code=found.generated_code_size_in_bytes,
    )
    available = topology.a_core(topology.chip.hbm_bytes)
    if memory.total > available:
        raise DoesNotFit(
            f"{step.name} needs {memory.total / GIB:.2f} GiB a core of {available / GIB:.2f} GiB"
        )
    module = Module(compiled.as_text())
    return Program(step, memory, module, time.monotonic() - started)


def _traced(step: Step, trace: Callable[[], Any]) -> Any:
    filtered = keras.config.is_traceback_filtering_enabled()
    # The innermost layer's frame is wanted, and Keras would leave it out.
    keras.config.disable_traceback_filtering()
    try:
        return trace()
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
        raise CannotCompile(
            f"{step.name}: {_place(error)} needs a value to decide a shape, a branch or an index "
            f"({str(error).splitlines()[0].rstrip('.:')}); a TPU's program is fixed before there "
            f"are values: use masks and keras.ops.where, cond or while_loop"
        ) from None
    finally:
        if filtered:
            keras.config.enable_traceback_filtering()


def _place(error: BaseException) -> str:
    """The innermost layer that the traceback passes, with file and line."""
    found, traceback = "the model", error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        layer, file = frame.f_locals.get("self"), frame.f_code.co_filename
        if isinstance(layer, keras.layers.Layer) and "/keras/src/" not in file.replace("\\", "/"):
            kind, line = type(layer).__name__, traceback.tb_lineno
            found = f"layer {layer.path or layer.name} ({kind}, {file}:{line})"
        traceback = traceback.tb_next
    return found


def _told(step: Step, message: str) -> DeviceError:
    sizes = re.search(r"\(([\d.]+[KMGT])\) exceeds available HBM \(([\d.]+[KMGT])\)", message)
    if sizes or "Ran out of memory" in message:
        needs = f"needs {sizes[1]}iB a core of {sizes[2]}iB" if sizes else "doesn't fit the memory"
        return DoesNotFit(f"{step.name} {needs}")
    return CannotCompile(f"{step.name}: the compiler says: {message.splitlines()[0]}")
