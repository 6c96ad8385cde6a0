"""The tables of t2t-tpu-check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from t2tlite import console
from t2tlite.tpu_check import advice
from t2tlite.tpu_check.program import Program
from t2tlite.tpu_check.topology import Topology
from t2tlite.training.setup import TrainingSetup

if TYPE_CHECKING:
    from t2tlite.tpu_check.check import Check

MIB = 2**20
GIB = 2**30
# Lines of the table of waste.
MOST = 10


def show_task(place: TrainingSetup, topology: Topology) -> None:
    """Shows what will be compiled for what, and how full the batches of the data are."""
    chip, batching, sizes = topology.chip, place.batching, place.sizes
    length = sizes.row_length
    rows = batching.rows(length)
    unit = {"bucket": "buckets by length", "pack": "packed rows", "pad": "padded rows"}
    console.panel(
        f"{place.run.problem} with {place.run.model} on {topology.name}",
        {
            "TPU": f"{topology}; a core: {topology.a_core(chip.peak_flops) / 1e12:,.1f} TFLOP/s "
            f"bfloat16, {topology.a_core(chip.hbm_bytes) / GIB:,.2f} GiB of "
            f"{topology.a_core(chip.hbm_bytes_per_second) / 1e9:,.0f} GB/s, links of "
            f"{topology.a_core(chip.link_bytes_per_second) / 1e9:,.0f} GB/s",
            "model": f"{place.job.parameters:,} parameters, activations in "
            f"{place.hparams.activation_dtype}",
            "batch": f"{unit[batching.kind]}: {rows:,} rows of {length:,} tokens, "
            f"{rows / topology.cores:,.0f} rows a core; about {sizes.tokens:,.0f} target tokens, "
            f"{sizes.padded_share:.1%} of a batch is padding",
            "epoch": f"{sizes.kept:,} of {sizes.examples:,} examples in about {sizes.batches:,} "
            f"steps",
        },
    )


def show(found: Check, dollars_per_chip_hour: float) -> None:
    """Shows all that was found."""
    _show_programs(found)
    _show_batch_sizes(found)
    if found.training is not None:
        _show_exchanges(found.training)
        _show_waste(found, found.training)
        _show_estimate(found, found.training, dollars_per_chip_hour)


def _show_programs(found: Check) -> None:
    available = found.topology.a_core(found.topology.chip.hbm_bytes)
    rows = []
    for name, program in found.programs.items():
        memory, flops = program.memory, program.matrix_flops
        everything = flops + program.single_operations
        # How often a search's loop runs isn't known before there is data.
        endless = program.module.endless
        height, length = program.step.shape
        rows.append(
            [
                name,
                f"{height:,} x {length:,}",
                f"{memory.arguments / MIB:,.1f}",
                f"{memory.temporaries / MIB:,.1f}",
                f"{memory.code / MIB:,.1f}",
                f"{memory.total / MIB:,.1f}",
                f"{memory.total / available:.1%}",
                "-" if endless else f"{everything / 1e9:,.1f}",
                "-" if endless else f"{flops / everything:.0%}",
                f"{program.seconds:,.0f}",
            ]
        )
    if not rows:
        return
    console.table(
        "programs that compile and fit; memory and operations are a core's",
        {
            "step": "left",
            "rows x tokens": "right",
            "arguments MiB": "right",
            "temporary MiB": "right",
            "program MiB": "right",
            "all MiB": "right",
            "of memory": "right",
            "GFLOP": "right",
            "in products": "right",
            "compiled in s": "right",
        },
        rows,
        "GFLOP counts operations on integers, too, such as those that draw dropout's random bits",
    )


def _show_batch_sizes(found: Check) -> None:
    if len(found.batch_sizes) < 2:
        return
    rows = [
        [f"{size:,}", "doesn't fit" if taken is None else f"{taken / GIB:,.2f}"]
        for size, taken in sorted(found.batch_sizes.items())
    ]
    fits = [size for size, taken in found.batch_sizes.items() if taken is not None]
    note = f"the largest found that fits: batch_size={max(fits)}" if fits else "none of them fits"
    place = found.place
    if fits and max(fits) * place.device.count >= place.sizes.batches * place.batching.batch_tokens:
        note += "; an epoch has no more tokens"
    console.table(
        "training by batch_size (tokens a core)",
        {"batch_size": "right", "GiB a core": "right"},
        rows,
        note,
    )


def _show_exchanges(program: Program) -> None:
    times: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for one in program.collectives:
        times[one.kind] += one.times
        sizes[one.kind] += one.bytes * one.times
    console.table(
        "exchanges among cores in a training step",
        {"kind": "left", "times": "right", "MB": "right"},
        [[kind, f"{count:,}", f"{sizes[kind] / 1e6:,.1f}"] for kind, count in times.items()]
        or [["none", "0", "0.0"]],
        "MB: the results, on a core"
        + (
            "; all-reduce of the gradients is all that it needs"
            if set(times) - {"all-reduce"}
            else ""
        ),
    )


def _show_waste(found: Check, program: Program) -> None:
    place, chip = found.place, found.topology.chip
    sizes = advice.known_sizes(place.hparams, place.problem_hparams, program.step.shape[1], chip)
    wastes = advice.wastes(program.products, chip, sizes)
    title = f"products that leave a part of the {chip.matrix_unit}-wide matrix unit idle"
    if not wastes:
        title = f"no product wastes the {chip.matrix_unit}-wide matrix unit"
    console.table(
        title,
        {
            "layer": "left",
            "m x k x n": "right",
            "of the step": "right",
            "used": "right",
            "what would mend it": "left",
        },
        [
            [one.layer, one.size, f"{one.share:.1%}", f"{one.filled:.0%}", one.mend or "-"]
            for one in wastes[:MOST]
        ],
        f"{len(wastes) - MOST} with less waste left out" if len(wastes) > MOST else "",
    )


def _show_estimate(found: Check, program: Program, dollars_per_chip_hour: float) -> None:
    topology, sizes = found.topology, found.place.sizes
    least = advice.roofline(program.products, program.hbm_bytes, program.collectives, topology)
    steps = 1 / least.step
    epoch = sizes.batches * least.step
    rows = {
        # A log has no titles of panels, and this must not pass for a measurement.
        "an estimate": f"nothing was measured; at least {least.step * 1e3:,.3f} ms a step, by "
        f"the {least.limit} (matrix unit {least.matrix * 1e3:,.3f}, memory "
        f"{least.memory * 1e3:,.3f}, links {least.links * 1e3:,.3f} ms)",
        "at most": f"{steps:,.0f} steps/s, {steps * sizes.tokens:,.0f} target tokens/s",
        "an epoch": f"{epoch:,.4g} s at least",
    }
    if dollars_per_chip_hour:
        dollars = epoch / 3600 * topology.chips * dollars_per_chip_hour
        rows["cost"] = (
            f"${dollars:,.4g} an epoch at least ({topology.chips} chips of "
            f"${dollars_per_chip_hour:g} an hour)"
        )
    rows["assumes"] = (
        "the chip's published peaks, all three at once; blocks of the matrix unit half filled "
        "take as long as full ones; exchanges use all links of a chip; nothing for operations "
        "on single numbers, for waiting, or for the host"
    )
    console.panel("the roofline of a training step", rows)


def show_scaling(programs: Sequence[tuple[Topology, Program]]) -> None:
    """Shows a core's part of a training step on TPUs of several sizes."""
    console.table(
        "a core's part of a training step, by the number of cores",
        {
            "TPU": "left",
            "cores": "right",
            "rows x tokens": "right",
            "GFLOP in products": "right",
            "other GFLOP": "right",
            "exchanges": "right",
            "MB exchanged": "right",
            "MiB of memory": "right",
        },
        [
            [
                topology.name,
                f"{topology.cores}",
                "{:,} x {:,}".format(*program.step.shape),
                f"{program.matrix_flops / 1e9:,.2f}",
                f"{program.single_operations / 1e9:,.2f}",
                f"{sum(one.times for one in program.collectives):,}",
                f"{program.collective_bytes / 1e6:,.2f}",
                f"{program.memory.total / MIB:,.1f}",
            ]
            for topology, program in programs
        ],
    )
