"""Reading XLA's text of a compiled program (HLO): what runs where, and how often.

XLA's own cost analysis counts the body of a loop once; here it counts as often as it runs, as far
as the text tells.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BITS = {"pred": 8, "c64": 64, "c128": 128, "token": 0, "opaque": 0}
# A bracketed type; what stands in braces after it is the layout, S(n) a memory other than HBM.
_TYPE = re.compile(r"\b([a-z]+\d*\w*)\[([\d,<=]*)\](\{[^{}]*\})?")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_LINE = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
# What a loop's condition has besides the comparison when all it does is count.
_COUNTING = ("parameter", "constant", "get-tuple-element", "copy")
_LAYER_NOISE = re.compile(r"(?:transpose|jvp|vmap|remat|checkpoint)\(([^()]*)\)")


@dataclass(frozen=True)
class Array:
    """A tensor's element type, dimensions, and whether it lies in the core's main memory."""

    dtype: str
    dims: tuple[int, ...]
    in_hbm: bool = True

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.dims)

    @property
    def bytes(self) -> int:
        """Its size, without padding."""
        bits = _BITS.get(self.dtype) or int((re.findall(r"\d+", self.dtype) or ["0"])[0])
        return self.elements * bits // 8


@dataclass
class Instruction:
    """A line of HLO: its results (one, or the leaves of a tuple), operands and attributes."""

    name: str
    opcode: str
    results: tuple[Array, ...]
    operands: list[str]
    arguments: str
    attributes: str

    def named(self, attribute: str) -> list[str]:
        """The computations that an attribute such as "calls" names."""
        found = re.search(rf"\b{attribute}=(?:\{{([^}}]*)\}}|%?([\w.\-]+))", self.attributes)
        return re.findall(r"[\w.\-]+", found[1] or found[2]) if found else []

    @functools.cached_property
    def layer(self) -> str:
        """The path of the layer that it computes, "" outside of layers."""
        found = re.search(r'op_name="([^"]*)"', self.attributes)
        path, before = (found[1] if found else ""), ""
        while path != before:
            path, before = _LAYER_NOISE.sub(r"\1", path), path
        parts = [one for one in path.split("/")[1:-1] if one]
        return "/".join(one for one in parts if one not in ("while", "body", "cond", "closed_call"))


@dataclass
class Computation:
    """A list of instructions by name, who uses each, the parameters in order, and the result."""

    instructions: dict[str, Instruction] = field(default_factory=dict)
    users: dict[str, list[Instruction]] = field(default_factory=dict)
    parameters: dict[int, str] = field(default_factory=dict)
    root: str = ""


def arrays(text: str) -> tuple[Array, ...]:
    """The tensors that a type's text names."""
    return tuple(
        Array(dtype, tuple(int(one.lstrip("<=")) for one in dims.split(",") if one), not _far(at))
        for dtype, dims, at in _TYPE.findall(text)
    )


def _far(layout: str) -> bool:
    return bool(re.search(r"S\([1-9]", layout))


def parse(text: str) -> tuple[dict[str, Computation], str]:
    """Returns the computations of a module by name, and the entry's name."""
    computations: dict[str, Computation] = {}
    current, entry = Computation(), ""
    for line in text.splitlines():
        header = _HEADER.match(line)
        if header:
            current = computations[header[2]] = Computation()
            entry = header[2] if header[1] else entry
            continue
        found = _LINE.match(line)
        if found:
            one = _instruction(found[2], found[3])
            current.instructions[one.name] = one
            current.root = one.name if found[1] else current.root
            if one.opcode == "parameter":
                current.parameters[int(one.arguments)] = one.name
            for operand in one.operands:
                current.users.setdefault(operand, []).append(one)
    return computations, entry


def _instruction(name: str, rest: str) -> Instruction:
    split = _closing(rest) + 1 if rest.startswith("(") else rest.index(" ")
    results, call = rest[:split], rest[split:].lstrip()
    opening = call.index("(")
    closing = _closing(call)
    arguments = call[opening + 1 : closing]
    operands = re.findall(r"%([\w.\-]+)", arguments)
    return Instruction(
        name, call[:opening], arrays(results), operands, arguments, call[closing + 1 :]
    )


def _closing(text: str) -> int:
    """The place of the parenthesis that closes the first one."""
    depth = 0
    for place in range(text.index("("), len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place
    raise ValueError(f"HLO without a closing parenthesis: {text[:80]}")


@dataclass(frozen=True)
class Placed:
    """An instruction where it runs: how often a step runs it, and whether inside a fusion."""

    instruction: Instruction
    computation: Computation
    times: int
    fused: bool


class Module:
    """A compiled program's text.

    Args:
      text: of the optimised module.

    Attributes:
      endless: whether a loop's length isn't in the text, so that its body counts once.
    """

    def __init__(self, text: str):
        self.computations, self.entry = parse(text)
        self.endless = False
        self.placed = list(self._walk(self.entry, 1, fused=False))

    def _walk(self, name: str, times: int, fused: bool) -> Iterator[Placed]:
        computation = self.computations[name]
        for one in computation.instructions.values():
            yield Placed(one, computation, times, fused)
            inner, count = one.named("calls") + one.named("branch_computations"), times
            if one.opcode == "while":
                inner, count = one.named("body"), times * self._trips(one)
            elif one.opcode in ("call", "async-start"):
                inner = inner or one.named("to_apply")
            for called in inner:
                yield from self._walk(called, count, fused or one.opcode == "fusion")

    def _trips(self, loop: Instruction) -> int:
        """How often a loop runs: as the compiler says, or the constant below which it counts."""
        known = re.search(r'known_trip_count":\{"n":"(\d+)"', loop.attributes)
        if known:
            return int(known[1])
        condition = self.computations[loop.named("condition")[0]].instructions.values()
        limits = [
            int(x.arguments) for x in condition if x.opcode == "constant" and x.arguments.isdigit()
        ]
        others = [x for x in condition if x.opcode not in _COUNTING]
        # JAX's counters start at 0.
        counts = len(others) == 1 and "direction=LT" in others[0].attributes
        limits = [x for x in limits if counts]
        if len(limits) == 1:
            return limits[0]
        self.endless = True
        return 1
