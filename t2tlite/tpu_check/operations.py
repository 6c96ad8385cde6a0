"""What a compiled program does in a step: matrix products, single operations, traffic, exchanges.

Dimensions and bytes are those of one core: a program for many cores has been divided among them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from t2tlite.tpu_check.hlo import Array, Computation, Instruction, Module, Placed

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# What computes each number of its result by itself.
_SINGLE = frozenset({
    "abs", "add", "and", "atan2", "cbrt", "ceil", "clamp", "compare", "convert", "cosine",
    "divide", "erf", "exponential", "exponential-minus-one", "floor", "is-finite", "log",
    "log-plus-one", "logistic", "maximum", "minimum", "mulhi", "multiply", "negate", "not", "or",
    "power", "remainder", "round-nearest-afz", "round-nearest-even", "rsqrt", "select",
    "shift-left", "shift-right-arithmetic", "shift-right-logical", "sign", "sine", "sqrt",
    "subtract", "tan", "tanh", "xor",
})  # fmt: skip
# What moves nothing by itself.
_STILL = frozenset({
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "call",
    "conditional", "after-all", "partition-id", "replica-id", "iota", "opt-barrier",
})  # fmt: skip
_SLICES = ("slice", "dynamic-slice", "gather")


@dataclass(frozen=True)
class Product:
    """A matrix product [m, k] x [k, n], `copies` of them, run `times` times a step.

    Attributes:
      layer: the path of the layer, "" outside of layers.
    """

    layer: str
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
    """An exchange among cores: its kind, the bytes of its result, and how often a step has it."""

    kind: str
    bytes: int
    times: int


def products(module: Module) -> list[Product]:
    """The matrix products, which XLA for TPUs writes as convolutions."""
    return [
        Product(at.instruction.layer, *_sizes(at), at.times)
        for at in module.placed
        if at.instruction.opcode in ("dot", "convolution")
    ]


def single_operations(module: Module) -> int:
    """Operations on single numbers, those on integers (random bits, masks) included."""
    total = 0
    for at in module.placed:
        one = at.instruction
        if one.opcode in _SINGLE:
            total += at.times * one.results[0].elements
        elif one.opcode == "reduce":
            total += at.times * _operand(at.computation, one.operands[0]).elements
    return total


def collectives(module: Module) -> list[Collective]:
    """The exchanges among cores; the parts of an asynchronous one count once."""
    found: dict[str, Collective] = {}
    for at in module.placed:
        one = at.instruction
        kind = one.opcode.removesuffix("-start")
        if kind not in COLLECTIVES:
            continue
        results = one.results
        if one.opcode != kind and kind != "all-reduce":
            # Operands come first, but in an all-reduce's start.
            results = results[len(one.operands) : 2 * len(one.operands)] or results
        channel = re.search(r"channel_id=(\d+)", one.attributes)
        name = channel[1] if channel else one.name
        if name not in found:
            found[name] = Collective(kind, sum(x.bytes for x in results), at.times)
    return list(found.values())


def hbm_bytes(module: Module) -> int:
    """Bytes read from and written to a core's main memory.

    What a fusion only slices counts as much as the slice, and what stays in the core's own small
    memory counts nothing.
    """
    return sum(
        at.times * _traffic(at, module)
        for at in module.placed
        if not at.fused
        and at.instruction.opcode not in _STILL
        and not at.instruction.opcode.endswith("-done")
    )


def _traffic(at: Placed, module: Module) -> int:
    one, computation = at.instruction, at.computation
    sources = [_operand(computation, name) for name in one.operands]
    if one.opcode.endswith("-start"):
        moved = one.results[0 if one.opcode == "copy-start" else len(sources) % len(one.results)]
        return moved.bytes * (moved.in_hbm + any(source.in_hbm for source in sources))
    if one.opcode in _SLICES:
        return one.results[0].bytes * (one.results[0].in_hbm + sources[0].in_hbm)
    if one.opcode == "dynamic-update-slice":
        return sources[1].bytes * (one.results[0].in_hbm + sources[1].in_hbm)
    called = one.named("calls") if one.opcode == "fusion" else []
    if not called:
        return sum(x.bytes for x in (*sources, *one.results) if x.in_hbm)
    inner = module.computations[called[0]]
    read = sum(
        _read(module, inner, inner.parameters[i])
        for i, source in enumerate(sources)
        if source.in_hbm
    )
    return read + _written(inner, one.results)


def _read(module: Module, computation: Computation, name: str) -> int:
    """Bytes that a fusion reads of a value."""
    whole, read = _operand(computation, name).bytes, 0
    for user in computation.users.get(name, []):
        if user.opcode in _SLICES and user.operands[0] == name:
            read += user.results[0].bytes
        elif user.opcode == "bitcast":
            read += _read(module, computation, user.name)
        elif user.opcode == "fusion":
            inner = module.computations[user.named("calls")[0]]
            read += _read(module, inner, inner.parameters[user.operands.index(name)])
        elif user.opcode != "dynamic-update-slice" or user.operands[0] != name:
            return whole
    return min(read, whole)


def _written(computation: Computation, results: tuple[Array, ...]) -> int:
    """Bytes that a fusion writes; an update of a slice writes the slice."""
    root = computation.instructions[computation.root]
    names = root.operands if root.opcode == "tuple" else [root.name]
    total = 0
    for name, result in zip(names, results, strict=False):
        one = computation.instructions[name]
        while one.opcode == "bitcast":
            one = computation.instructions[one.operands[0]]
        update = one.opcode == "dynamic-update-slice"
        size = _operand(computation, one.operands[1]).bytes if update else result.bytes
        total += size * result.in_hbm
    return total


def _operand(computation: Computation, name: str) -> Array:
    return (computation.instructions[name].results or (Array("token", (0,)),))[0]


def _sizes(at: Placed) -> tuple[int, int, int, int]:
    """Returns m, k, n and copies of a dot or a convolution."""
    one = at.instruction
    left, right = (at.computation.instructions[name].results[0].dims for name in one.operands[:2])
    if one.opcode == "dot":
        axes = {
            name: [int(x) for x in one.named(name)]
            for name in ("lhs_batch_dims", "lhs_contracting_dims")
        }
        copies = math.prod(left[i] for i in axes["lhs_batch_dims"])
        k = math.prod(left[i] for i in axes["lhs_contracting_dims"])
        return (
            math.prod(left) // max(1, copies * k),
            k,
            math.prod(right) // max(1, copies * k),
            copies,
        )
    return _convolution_sizes(one, left, right)


def _convolution_sizes(
    one: Instruction, left: tuple[int, ...], right: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """XLA's batch axes become window axes of which each place sees one: those are copies."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", one.attributes)
    assert labels is not None
    groups = re.search(r"feature_group_count=(\d+)", one.attributes)
    m, n = left[labels[1].index("b")], right[labels[2].index("o")]
    k, copies = left[labels[1].index("f")] // (int(groups[1]) if groups else 1), 1
    batch_groups = re.search(r"batch_group_count=(\d+)", one.attributes)
    m //= int(batch_groups[1]) if batch_groups else 1
    window = dict(re.findall(r"(\w+)=([\dx_\-]+)", _window(one.attributes)))
    for axis in range(len(labels[1]) - 2):
        size = right[labels[2].index(str(axis))]
        outputs = one.results[0].dims[labels[3].index(str(axis))]
        seen = _seen(left[labels[1].index(str(axis))], size, outputs, window, axis)
        if size == 1:
            m *= seen
        elif outputs == 1:
            k *= seen
        else:
            copies *= seen
    return m, k, n, copies


def _window(attributes: str) -> str:
    found = re.search(r"window=\{([^}]*)\}", attributes)
    return found[1] if found else ""


def _seen(inputs: int, size: int, outputs: int, window: dict[str, str], axis: int) -> int:
    """How many pairs of a place of the output and of the window see an input, not a gap."""

    def value(name: str, default: str) -> str:
        return window[name].split("x")[axis] if name in window else default

    stride, gap = int(value("stride", "1")), int(value("lhs_dilate", "1"))
    spread, low = int(value("rhs_dilate", "1")), int(value("pad", "0_0").split("_")[0])
    places = (o * stride + w * spread - low for o in range(outputs) for w in range(size))
    return sum(0 <= place <= (inputs - 1) * gap and place % gap == 0 for place in places)
