"""Reading traces: how long each operation of a recorded training step took, and its kind.

TensorFlow and JAX write the same kind of file, an XSpace: planes (host, devices) of lines (threads,
streams) of events with a begin and a duration. TensorFlow's operations are events named
`path:Type`; XLA's, under JAX, name their instruction, whose program is in the file as well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

WAITING = "waiting for data"
PREPARING = "preparing batches meanwhile"
BETWEEN = "between operations"
OTHER = "other"
# Found nowhere.
_NEVER = r"(?!)"
# Kinds of operations, with what is searched for in an operation's path and in its words: the type
# of a TensorFlow operation, or the opcodes of an XLA instruction and of what is fused into it. The
# first kind that is found is taken.
KINDS = {
    "exchange between devices": (
        _NEVER,
        r"all-reduce|all-gather|all-to-all|reduce-scatter|[Cc]ollective|[Nn]ccl",
    ),
    "matrix products": (_NEVER, r"MatMul|Einsum|Conv\dD|gemm|\bdot\b|\bconvolution\b"),
    "dropout and random numbers": (r"dropout", r"Random|\brng\b"),
    "optimizer": (r"(^|/)(adam|adafactor|sgd|SGD)/", r"Resource\w*Apply"),
    "gather and scatter": (
        _NEVER,
        r"Gather|Scatter|Segment|StridedSliceGrad|UpdateSlice|gather|scatter|dynamic-",
    ),
    "softmax, exp and log": (_NEVER, r"Softmax|\bExp\b|\bLog(1p)?\b|\bexponential\b|\blog\b"),
    "layer norm and sums": (
        r"(/|layer_)norm",
        r"[Ss]um\b|Mean|Prod|Max\b|Min\b|BiasAddGrad|\breduce\b(?!-)",
    ),
    "transposes and copies": (
        _NEVER,
        r"Transpose|Reshape|Concat|Pad|Slice|Split|[Pp]ack\b|Tile|Broadcast|ExpandDims|Squeeze"
        r"|Identity|Copy|Fill|Like\b|ReadVariable|Mem(cpy|set)"
        # An XLA fusion that only moves.
        r"|^((copy|transpose|broadcast|reshape|concatenate|pad|slice|reverse|iota)\b ?)+$",
    ),
    "element-wise": (
        _NEVER,
        r"Add|Mul|Sub|Div|Neg|Pow|[Ss]qrt|Square|Cast|Select|Equal|Less|Greater|Logical|Maximum"
        r"|Minimum|Relu|Elu|Gelu|Tanh|Sigmoid|Abs|Floor|Clip|Assign"
        r"|\b(add|subtract|multiply|divide|maximum|minimum|negate|power|tanh|logistic|abs"
        r"|clamp|compare|select|convert|and|or|not|xor|fusion)\b",
    ),
}
# Events of what runs operations one after the other.
RUNNERS = ("ExecutorState::Process", "ThunkExecutor::Execute")
# Opcodes of an XLA fusion's inside that say nothing about what it does.
SILENT = {"parameter", "constant", "bitcast", "fusion", "tuple", "get-tuple-element"}

# Path and words of XLA instructions by program and name.
Programs = Mapping[tuple[Any, str], tuple[str, str]]


class Operation(NamedTuple):
    """What an event shows: one of the kinds, and a name without the numbers of layers."""

    kind: str
    name: str


def newest(output_dir: Path) -> Path:
    """Returns the trace that was written last; there must be one."""
    traces = output_dir.glob("plugins/profile/*/*.xplane.pb")
    return max(traces, key=lambda path: path.stat().st_mtime_ns)


def read(path: Path) -> dict[Operation, float]:
    """Reads a trace.

    Returns:
      Milliseconds of each operation, without those of others that ran inside it. Where a GPU or
      TPU was used: of its operations, and on the host only what has to do with data.
    """
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    programs = _programs(space)
    has_device = any(map(_on_device, space.planes))
    times: defaultdict[Operation, float] = defaultdict(float)
    for plane in space.planes:
        for line in plane.lines:
            # A device's other lines show the same time again, as whole programs and steps.
            if _on_device(plane) and not line.name.startswith(("Stream", "XLA Ops")):
                continue
            for operation, one in _own_times(_events(plane, line, programs)):
                if line.name.startswith("tf_data_") and operation.kind != WAITING:
                    operation = Operation(PREPARING, operation.name)
                if _on_device(plane) or not has_device or operation.kind in (WAITING, PREPARING):
                    times[operation] += one
    return dict(times)


def _on_device(plane: Any) -> bool:
    return plane.name.startswith(("/device:GPU:", "/device:TPU:"))


def _own_times(events: Iterable[tuple[int, int, Operation]]) -> Iterator[tuple[Operation, float]]:
    """Yields milliseconds that add up to each operation's without those that ran inside it.

    Args:
      events: begin and duration in picoseconds, and operation; of one line.
    """
    around: list[tuple[int, Operation]] = []
    for begin, duration, operation in sorted(events, key=lambda event: (event[0], -event[1])):
        while around and around[-1][0] <= begin:
            around.pop()
        if around:
            end, outer = around[-1]
            yield outer, -min(duration, end - begin) / 1e9
        yield operation, duration / 1e9
        around.append((begin + duration, operation))


def _events(plane: Any, line: Any, programs: Programs) -> Iterator[tuple[int, int, Operation]]:
    """Yields begin, duration and operation of the events of a line that show an operation."""
    # Most names are an operation's or not whatever the stats say, which take long to read.
    plain: dict[int, Operation | None] = {}
    known: dict[tuple[Any, ...], Operation | None] = {}
    for event in line.events:
        number = event.metadata_id
        operation = plain.get(number)
        if number not in plain:
            metadata = plane.event_metadata[number]
            stats = _stats(plane, metadata, event)
            key = (number, *stats.values())
            if key not in known:
                known[key] = _operation(metadata, stats, programs, _on_device(plane))
            operation = known[key]
            if not stats:
                plain[number] = operation
        if operation is not None:
            yield event.offset_ps, event.duration_ps, operation


def _stats(plane: Any, *owners: Any) -> dict[str, Any]:
    """Returns what tells the operation of an event, of its stats and those of its name."""
    stats = {}
    for owner in owners:
        for stat in owner.stats:
            name = plane.stat_metadata[stat.metadata_id].name
            if name in ("hlo_op", "program_id", "tf_op"):
                how = stat.WhichOneof("value")
                value = getattr(stat, how)
                stats[name] = plane.stat_metadata[value].name if how == "ref_value" else value
    return stats


def _operation(
    metadata: Any, stats: Mapping[str, Any], programs: Programs, on_device: bool
) -> Operation | None:
    """Returns what an event shows, None if that is no operation."""
    name = metadata.name
    instruction = stats.get("hlo_op") or (metadata.display_name if on_device else "")
    tensorflow = re.fullmatch(r"([^: ]+):(\w+)", stats.get("tf_op", name))
    if "GetNext" in name:
        return Operation(WAITING, name)
    if name in RUNNERS:
        return Operation(BETWEEN, name)
    if instruction:
        stem = instruction.split(".")[0]
        unknown = ("", stem.replace("_", " "))
        path, words = programs.get((stats.get("program_id"), instruction), unknown)
        return _named(path, words, stem)
    if tensorflow:
        return _named(tensorflow[1], tensorflow[2], tensorflow[2])
    return _named("", name, name) if on_device else None


def _named(path: str, words: str, what: str) -> Operation:
    # The outermost function is the same for all, and a number only tells one layer from the next.
    shown = re.sub(r"^(StatefulPartitionedCall|jit\(\w+\))/|(_\d+)+(?=/|$)", "", path)
    if not shown.endswith(what):
        shown = f"{shown} ({what})" if shown else what
    return Operation(_kind(path, words), shown)


def _kind(path: str, words: str) -> str:
    for kind, (in_path, in_words) in KINDS.items():
        if re.search(in_path, path) or re.search(in_words, words):
            return kind
    return OTHER


def _programs(space: Any) -> Programs:
    """Returns path and words of the instructions of all XLA programs in the trace."""
    from tensorflow.compiler.xla.service import hlo_pb2

    programs = {}
    for plane in space.planes:
        for metadata in plane.event_metadata.values():
            for stat in metadata.stats:
                if plane.stat_metadata[stat.metadata_id].name == "Hlo Proto":
                    # The name is NAME(program_id).
                    number = int(metadata.name.rpartition("(")[2].rstrip(")"))
                    module = hlo_pb2.HloProto.FromString(stat.bytes_value).hlo_module
                    for name, described in _instructions(module):
                        programs[number, name] = described
    return programs


def _instructions(module: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yields name, path and words of each instruction of a program."""
    inside: dict[int, set[str]] = {}
    # A computation stands before those that call it.
    for computation in module.computations:
        inside[computation.id] = set()
        for one in computation.instructions:
            words = {one.opcode, one.custom_call_target} - SILENT - {""}
            if one.opcode == "fusion":
                words = words.union(*(inside[number] for number in one.called_computation_ids))
            inside[computation.id] |= words
            yield one.name, (one.metadata.op_name.split(";")[0], " ".join(sorted(words)))
