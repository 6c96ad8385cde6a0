"""What a compiled program does in one step: matrix products, other operations, collectives.

Reads the HLO of a partitioned program, so all sizes are those of one core. XLA's own cost analysis
counts the body of a loop once; here it counts as often as the loop runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jaxlib.xla_client import PrimitiveType

from t2tlite.training.xla_messages import HloModuleProto

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# Opcodes with one operation per number of their result.
ELEMENTWISE = frozenset({
    "abs", "add", "and", "atan2", "cbrt", "ceil", "clamp", "compare", "convert", "cosine",
    "divide", "erf", "exponential", "exponential-minus-one", "floor", "is-finite", "log",
    "log-plus-one", "logistic", "maximum", "minimum", "mulhi", "multiply", "negate", "not", "or",
    "power", "remainder", "round-nearest-afz", "round-nearest-even", "rsqrt", "select",
    "shift-left", "shift-right-arithmetic", "shift-right-logical", "sign", "sine", "sqrt",
    "subtract", "tan", "tanh", "xor",
})  # fmt: skip
# The instructions of a loop's condition that only counts, besides one comparison.
_COUNTER = frozenset({"parameter", "constant", "get-tuple-element", "copy"})
_TRANSFORMATION = re.compile(r"(?:transpose|jvp|vmap|remat|checkpoint)\(([^()]*)\)")
_CONTROL_FLOW = ("", "while", "body", "cond", "closed_call")


@dataclass(frozen=True)
class Product:
    """A matrix product [m, k] x [k, n], `copies` of them, run `times` times a step."""

    layer: str  # the path of the Keras layer, "" outside of layers
    m: int
    k: int
    n: int
    copies: int
    times: int

    @property
    def flops(self) -> int:
        """Floating-point operations a step: a multiplication and an addition each count one."""
        return 2 * self.m * self.k * self.n * self.copies * self.times


@dataclass(frozen=True)
class Collective:
    """A communication among cores, run `times` times a step; `bytes` is the size of its result."""

    kind: str
    bytes: int
    times: int


class Module:
    """The work of an optimised HLO module, from its serialized HloModuleProto.

    Attributes:
      products: the matrix products, which XLA writes as convolutions for TPUs.
      collectives: the communications among cores; the parts of an asynchronous one count once.
      other_operations: operations on single numbers, those on integers (random bits, masks)
        included.
      has_unknown_loop: whether the length of a loop depends on data. Its body counts once.
    """

    def __init__(self, serialized: bytes):
        module = HloModuleProto.FromString(serialized)
        self._computations = {body.id: body.instructions for body in module.computations}
        self._collectives: dict[int, Collective] = {}
        self.products: list[Product] = []
        self.other_operations = 0
        self.has_unknown_loop = False
        self._count(module.entry_computation_id, 1)
        self.collectives = list(self._collectives.values())

    @property
    def matrix_flops(self) -> int:
        """Floating-point operations of all matrix products of a step."""
        return sum(product.flops for product in self.products)

    def _count(self, computation_id: int, times: int) -> None:
        """Adds what a computation does when it runs `times` times."""
        instructions = {each.id: each for each in self._computations[computation_id]}
        for instruction in instructions.values():
            opcode, called = instruction.opcode, instruction.called_computation_ids
            operands = [instructions[operand_id].shape for operand_id in instruction.operand_ids]
            if opcode == "convolution":
                self.products.append(_product(instruction, operands, times))
            elif opcode in ELEMENTWISE:
                self.other_operations += times * math.prod(instruction.shape.dimensions)
            elif opcode == "reduce":
                self.other_operations += times * math.prod(operands[0].dimensions)
            elif opcode.removesuffix("-start") in COLLECTIVES:
                # The parts of one collective share a channel.
                key = instruction.channel_id or instruction.id
                self._collectives.setdefault(key, _collective(instruction, times))
            elif opcode == "while":
                body, condition = called
                self._count(body, times * self._trip_count(condition))
            elif opcode in ("fusion", "call", "conditional", "async-start"):
                for inner in called:
                    self._count(inner, times)

    def _trip_count(self, condition_id: int) -> int:
        """Returns the constant that a loop's counter is compared with: JAX counts from 0."""
        condition = self._computations[condition_id]
        others = [each for each in condition if each.opcode not in _COUNTER]
        limits = [each.literal for each in condition if each.opcode == "constant"]
        if len(others) == len(limits) == 1 and others[0].comparison_direction == "LT":
            numbers = [*limits[0].s32s, *limits[0].s64s]
            if len(numbers) == 1:
                return int(numbers[0])
        self.has_unknown_loop = True
        return 1


def _layer(instruction: Any) -> str:
    """Returns the path of the layer in the name that JAX gave an operation."""
    path, before = instruction.metadata.op_name, ""
    while path != before:
        path, before = _TRANSFORMATION.sub(r"\1", path), path
    return "/".join(name for name in path.split("/")[1:-1] if name not in _CONTROL_FLOW)


def _collective(instruction: Any, times: int) -> Collective:
    kind = instruction.opcode.removesuffix("-start")
    results = list(_leaves(instruction.shape))
    if instruction.opcode != kind and kind != "all-reduce":
        # The result of an asynchronous start begins with the operands.
        count = len(instruction.operand_ids)
        results = results[count : 2 * count] or results
    return Collective(kind, sum(map(_bytes, results)), times)


def _leaves(shape: Any) -> Iterator[Any]:
    if not shape.tuple_shapes:
        yield shape
    for part in shape.tuple_shapes:
        yield from _leaves(part)


def _bytes(shape: Any) -> int:
    # BF16, S32, F8E4M3FN ...: the first number is the width in bits. PRED takes a byte.
    width = re.search(r"\d+", PrimitiveType(shape.element_type).name)
    return math.prod(shape.dimensions) * int(width[0] if width else 8) // 8


def _product(instruction: Any, operands: list[Any], times: int) -> Product:
    """Reads a convolution; a product's batch axes are spatial axes whose windows see one input."""
    axes = instruction.convolution_dimension_numbers
    left, right = operands
    m = left.dimensions[axes.input_batch_dimension] // (instruction.batch_group_count or 1)
    k = left.dimensions[axes.input_feature_dimension] // (instruction.feature_group_count or 1)
    n, copies = right.dimensions[axes.kernel_output_feature_dimension], 1
    for i, window in enumerate(instruction.window.dimensions):
        inputs = left.dimensions[axes.input_spatial_dimensions[i]]
        outputs = instruction.shape.dimensions[axes.output_spatial_dimensions[i]]
        seen = _window_inputs(inputs, outputs, window)
        if window.size == 1:
            m *= seen
        elif outputs == 1:
            k *= seen
        else:
            copies *= seen
    return Product(_layer(instruction), m, k, n, copies, times)


def _window_inputs(inputs: int, outputs: int, window: Any) -> int:
    """Counts the pairs of output and window positions that see an input, not padding or a gap."""
    gap = window.base_dilation
    positions = (
        output * window.stride + offset * window.window_dilation - window.padding_low
        for output in range(outputs)
        for offset in range(window.size)
    )
    return sum(0 <= at <= (inputs - 1) * gap and at % gap == 0 for at in positions)
