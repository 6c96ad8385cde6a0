"""`--profile`: a trace of some training steps for TensorBoard, and a table of its operations."""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from t2tlite import console
from t2tlite.training.xla_messages import HloProto, XSpace

log = logging.getLogger(__name__)

# The first steps compile and fill buffers, so they aren't typical.
SKIP_STEPS = 10
# A step of a small model adds about half a megabyte to the trace.
STEPS = 20
# Operations that the table names for each kind.
TOP = 3
# Kinds of operations, and what their operations' names contain; the first match counts.
KINDS = {
    "waiting for data": r"GetNextOp",
    "exchange between devices": r"all-reduce|all-gather|reduce-scatter|[Cc]ollective|[Nn]ccl",
    "dropout": r"dropout|Random",
    "optimizer": r"(^|/)(adam|adafactor|muon|sgd|SGD)/|Resource\w*Apply",
    "matrix products": r"(MatMul|Einsum|gemm|dot(?!_product)|convolution|Conv\dD)[^/]*$",
    "other operations": "",
}
# XLA's instructions that run others, which are in the trace themselves.
CONTROL_FLOW = ("while", "call", "conditional")


class Profiler:
    """Records STEPS steps after the first SKIP_STEPS of a run and shows where their time goes.

    The trace goes to output_dir/plugins/profile, where TensorBoard's profile plugin looks. What
    happens between those steps, such as an evaluation, is recorded with them.
    """

    def __init__(self, output_dir: str | Path):
        self._output_dir = Path(output_dir)
        self._trace, self._wait_for_device = _backend_profiler(str(output_dir))
        self._state = "before"  # then "recording", then "done"
        self._step = self._first_step = 0
        self._start_time = 0.0

    def on_step(self, step: int) -> None:
        """Must be called after each step with the number of steps in this run so far."""
        self._step = step
        if self._state == "before" and step >= SKIP_STEPS:
            self._wait_for_device()
            self._trace.__enter__()
            self._state, self._first_step, self._start_time = "recording", step, time.monotonic()
        elif self._state == "recording" and step >= self._first_step + STEPS:
            self.close()

    def close(self) -> None:
        """Ends the recording and shows the table, or warns that no step was recorded."""
        state, self._state = self._state, "done"
        steps = self._step - self._first_step
        if state == "recording":
            self._wait_for_device()
            milliseconds = (time.monotonic() - self._start_time) * 1e3
            self._trace.__exit__(None, None, None)
        if state == "recording" and steps:
            traces = self._output_dir.glob("plugins/profile/*/*.xplane.pb")
            path = max(traces, key=lambda trace: trace.stat().st_mtime_ns)
            show(
                {name: total / steps for name, total in read(path).items()},
                f"{milliseconds / steps:,.1f} ms a step (steps {self._first_step + 1} to "
                f"{self._step} of this run)",
                f"The trace is {path}. To explore it: pip install tensorboard-plugin-profile, then "
                f"tensorboard --logdir={self._output_dir}, tab Profile.",
            )
        elif state != "done":
            log.warning(
                "no profile: training ended after %d steps of this run, and the first %d aren't "
                "recorded; train for longer",
                *(self._step, SKIP_STEPS),
            )


def _backend_profiler(folder: str) -> tuple[Any, Callable[[], Any]]:
    """Returns a context manager that records a trace, and a function that waits for the device."""
    if keras.backend.backend() == "jax":
        import jax

        options = jax.profiler.ProfileOptions()
        # Recording every Python call would slow the step down.
        options.python_tracer_level = 0
        trace = jax.profiler.trace(folder, profiler_options=options)
        return trace, lambda: jax.block_until_ready(jax.live_arrays())
    import tensorflow as tf

    return tf.profiler.experimental.Profile(folder), tf.test.experimental.sync_devices


def show(times: Mapping[str, float], measured: str, note: str) -> None:
    """Shows a table of the kinds of operations and the longest ones of each.

    Args:
      times: milliseconds a step, by operation.
      measured: how long a step took by the clock; part of the title.
      note: added to the note below the table.
    """
    kinds: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for name, milliseconds in times.items():
        kind = next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))
        kinds[kind][name] = milliseconds
    rows: list[tuple[float, str]] = []
    for kind, operations in sorted(kinds.items(), key=lambda item: -sum(item[1].values())):
        rows.append((sum(operations.values()), kind))
        longest = sorted(operations, key=lambda name: -operations[name])[:TOP]
        rows += [(operations[name], f"  {name}") for name in longest]
    total = sum(times.values()) or 1.0
    console.table(
        f"where a step's time goes: {measured}",
        {"ms a step": "right", "share": "right", "operations, of all layers": "left"},
        [[f"{row[0]:,.2f}", f"{row[0] / total:.1%}", row[1]] for row in rows],
        f"Threads and streams run in parallel: their times add up to {total:,.1f} ms. {note}",
    )


def read(path: Path) -> dict[str, float]:
    """Reads a trace (an XSpace), which TensorFlow and JAX write in one format.

    Returns:
      Milliseconds by operation. If there is a GPU or TPU: its operations, and of the host only the
      waiting for data.
    """
    space = XSpace.FromString(path.read_bytes())
    op_names = _xla_op_names(space)
    has_device = any(map(_is_device, space.planes))
    times: defaultdict[str, float] = defaultdict(float)
    for plane in space.planes:
        for line in plane.lines:
            # A device's other lines repeat the same time as whole programs and steps.
            if _is_device(plane) and not line.name.startswith(("Stream", "XLA Ops")):
                continue
            # Batches are prepared in parallel to the step.
            counts = _is_device(plane) == has_device and not line.name.startswith("tf_data_")
            for event in line.events:
                name = _operation(plane, event, op_names)
                if name and (counts or "GetNextOp" in name):
                    times[name] += event.duration_ps / 1e9
    return dict(times)


def _is_device(plane: Any) -> bool:
    return bool(plane.name.startswith(("/device:GPU:", "/device:TPU:")))


def _operation(plane: Any, event: Any, op_names: Mapping[Any, str]) -> str:
    """Returns the operation of an event, without layer numbers; "" if the event shows none."""
    metadata = plane.event_metadata[event.metadata_id]
    stats: dict[str, Any] = {}
    for stat in (*metadata.stats, *event.stats):
        field = stat.WhichOneof("value")
        value = getattr(stat, field)
        name = plane.stat_metadata[stat.metadata_id].name
        stats[name] = plane.stat_metadata[value].name if field == "ref_value" else value
    # An event of XLA names an instruction; one of TensorFlow is named path:Type.
    instruction = stats.get("hlo_op") or (metadata.display_name if _is_device(plane) else "")
    tensorflow = re.fullmatch(r"([^: ]+):(\w+)", stats.get("tf_op", metadata.name))
    if instruction:
        path = op_names.get((stats.get("program_id"), instruction), "")
        kind = instruction.split(".")[0]
    elif tensorflow:
        path, kind = tensorflow.groups()
    elif _is_device(plane) or "GetNextOp" in metadata.name:
        path, kind = "", str(metadata.name)
    else:
        return ""
    if kind in CONTROL_FLOW:
        return ""
    path = re.sub(r"^(StatefulPartitionedCall|jit\(\w+\))/|(_\d+)+(?=/|$)", "", path)
    return path if path.endswith(kind) else f"{path} ({kind})" if path else kind


def _xla_op_names(space: Any) -> dict[tuple[Any, str], str]:
    """Returns the JAX operation of each XLA instruction, by program_id and instruction."""
    programs = [
        # The name is NAME(program_id).
        (int(metadata.name.rpartition("(")[2].rstrip(")")), stat.bytes_value)
        for plane in space.planes
        for metadata in plane.event_metadata.values()
        for stat in metadata.stats
        if plane.stat_metadata[stat.metadata_id].name == "Hlo Proto"
    ]
    return {
        (program_id, instruction.name): instruction.metadata.op_name.split(";")[0]
        for program_id, proto in programs
        for computation in HloProto.FromString(proto).hlo_module.computations
        for instruction in computation.instructions
    }
