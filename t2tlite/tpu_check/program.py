"""Compiles a step for a TPU; `Check` has the results. All sizes are those of one core."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import keras
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from t2tlite import libraries
from t2tlite.errors import DeviceError
from t2tlite.tpu_check.hlo import Module
from t2tlite.tpu_check.topology import GIB, Topology
from t2tlite.training.setup import TrainingSetup

# Tensors of a batch: name -> shape and dtype.
Shapes = dict[str, tuple[tuple[int, ...], str]]


@dataclass(frozen=True)
class Step:
    """What Keras would give to jax.jit."""

    name: str
    function: Callable[[Any, Any], Any]  # (state, data) -> (outputs, the new state)
    state: tuple[list[Any], ...]  # Keras variables; the new state reuses their memory
    data: Shapes  # of the batch, whose rows are divided among the cores

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of the batch, and the length of its longest tensor."""
        shapes = [shape for shape, _ in self.data.values()]
        return shapes[0][0], max(shape[1] for shape in shapes if len(shape) > 1)


@dataclass(frozen=True)
class Program:
    """A compiled step, and the bytes that it takes."""

    step: Step
    arguments: int  # weights, optimizer state and batch
    temporaries: int  # values within a step, and results that don't reuse an argument's memory
    code: int  # the program itself
    module: Module

    @property
    def memory(self) -> int:
        """Bytes of a core's memory that it takes."""
        return self.arguments + self.temporaries + self.code


class DoesNotFit(DeviceError):
    """A program needs more memory than a core has."""


class CannotCompile(DeviceError):
    """The compiler rejects a step; the message names the layer."""


@dataclass
class Check:
    """The results of compiling a setup's steps.

    Attributes:
      programs: the steps that compiled and fit, by name.
      failures: the errors of the steps that don't fit.
      batch_sizes: bytes of memory that training takes, by batch_size; None: too many.
    """

    setup: TrainingSetup
    topology: Topology
    programs: dict[str, Program] = field(default_factory=dict)
    failures: list[DoesNotFit] = field(default_factory=list)
    batch_sizes: dict[int, float | None] = field(default_factory=dict)

    @property
    def epoch_tokens(self) -> int:
        """Padded tokens that a core gets in an epoch: the largest useful batch_size."""
        setup = self.setup
        return setup.sizes.batches * setup.batching.batch_tokens // setup.device.count

    @property
    def largest_batch_size(self) -> int | None:
        """The largest batch_size that was compiled and fits."""
        fitting = [size for size, memory in self.batch_sizes.items() if memory is not None]
        return max(fitting, default=None)


def compile_step(step: Step, topology: Topology) -> Program:
    """Compiles a step for a TPU.

    Raises:
      DoesNotFit: a core's memory is too small.
      CannotCompile: a shape or a branch depends on data.
    """
    mesh = Mesh(np.array(topology.devices), ("batch",))
    whole, divided = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ([], ["batch"]))
    state = tuple(
        [jax.ShapeDtypeStruct(each.shape, each.dtype, sharding=whole) for each in variables]
        for variables in step.state
    )
    data = {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=divided)
        for name, (shape, dtype) in step.data.items()
    }
    lowered = _trace(step, state, data, out_shardings=(None, whole))
    try:
        with libraries.hidden_standard_error():
            compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        raise _compiler_error(step, str(error)) from None
    (module,) = compiled.runtime_executable().hlo_modules()
    sizes = compiled.memory_analysis()
    results = sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    program = Program(
        step,
        arguments=sizes.argument_size_in_bytes,
        temporaries=sizes.temp_size_in_bytes + results,
        code=sizes.generated_code_size_in_bytes,
        module=Module(module.as_serialized_hlo_module_proto()),
    )
    needed, available = program.memory / GIB, topology.core_memory / GIB
    if needed > available:
        raise DoesNotFit(f"{step.name} needs {needed:.2f} GiB a core of {available:.2f} GiB")
    return program


def _trace(step: Step, state: Any, data: Any, out_shardings: Any) -> Any:
    jitted = jax.jit(step.function, donate_argnums=0, out_shardings=out_shardings)
    filtered = keras.config.is_traceback_filtering_enabled()
    # Keras would remove the innermost layer's frame, which the message names.
    keras.config.disable_traceback_filtering()
    try:
        return jitted.lower(state, (data,))
    except (jax.errors.JAXTypeError, jax.errors.JAXIndexError) as error:
        raise CannotCompile(
            f"{step.name}: {_innermost_layer(error)} needs a value to decide a shape, a branch or "
            f"an index ({str(error).splitlines()[0].rstrip('.:')}); a TPU program is compiled "
            f"before there are values: use masks and keras.ops.where, cond or while_loop"
        ) from None
    finally:
        if filtered:
            keras.config.enable_traceback_filtering()


def _innermost_layer(error: BaseException) -> str:
    """Returns the innermost layer in the traceback, with file and line."""
    description, traceback = "the model", error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        layer, path = frame.f_locals.get("self"), frame.f_code.co_filename
        if isinstance(layer, keras.layers.Layer) and "/keras/src/" not in path.replace("\\", "/"):
            kind, line = type(layer).__name__, traceback.tb_lineno
            description = f"layer {layer.path or layer.name} ({kind}, {path}:{line})"
        traceback = traceback.tb_next
    return description


def _compiler_error(step: Step, message: str) -> DeviceError:
    sizes = re.search(r"\(([\d.]+[KMGT])\) exceeds available HBM \(([\d.]+[KMGT])\)", message)
    if sizes:
        return DoesNotFit(f"{step.name} needs {sizes[1]}iB a core of {sizes[2]}iB")
    if "Ran out of memory" in message:
        return DoesNotFit(f"{step.name} doesn't fit the memory")
    return CannotCompile(f"{step.name}: compiler error: {message.splitlines()[0]}")
