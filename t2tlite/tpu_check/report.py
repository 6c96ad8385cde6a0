"""The report of t2t-tpu-check: the setup and four tables."""

from __future__ import annotations

from collections import Counter

from t2tlite import console
from t2tlite.tpu_check import matrix_unit
from t2tlite.tpu_check.hlo import Module
from t2tlite.tpu_check.program import Check, Program
from t2tlite.tpu_check.topology import GIB, Topology
from t2tlite.training.setup import TrainingSetup

MIB = 2**20
# Rows of the table of products that waste the matrix unit.
MAX_WASTES = 10
BATCHES = {"bucket": "buckets by length", "pack": "packed rows", "pad": "padded rows"}


def show_setup(setup: TrainingSetup, topology: Topology) -> None:
    """Shows model, TPU, the shape of a batch and how much of it is padding."""
    batching, sizes = setup.batching, setup.sizes
    rows = batching.rows(sizes.row_length)
    console.panel(
        f"{setup.run.problem} with {setup.run.model} on {topology.name}",
        {
            "TPU": f"{topology.name}: {topology.cores} cores on {topology.chips} chips, "
            f"{topology.core_memory / GIB:,.2f} GiB of memory a core",
            "model": f"{setup.job.parameters:,} parameters, trained with "
            f"{setup.hparams.activation_dtype} products",
            "batch": f"{BATCHES[batching.kind]}: {rows:,} rows of {sizes.row_length:,} tokens, "
            f"{rows / topology.cores:,.0f} rows a core; about {sizes.tokens:,.0f} target tokens, "
            f"{sizes.padded_share:.1%} of a batch is padding",
            "epoch": f"{sizes.kept:,} of {sizes.examples:,} examples in about {sizes.batches:,} "
            f"steps",
        },
    )


def show_result(check: Check) -> None:
    """Shows all tables that there are results for."""
    if check.programs:
        _show_programs(check)
    if len(check.batch_sizes) > 1:
        _show_batch_sizes(check)
    if training := check.programs.get("training"):
        _show_collectives(training.module)
        _show_waste(check, training)


def _show_programs(check: Check) -> None:
    rows = []
    for program in check.programs.values():
        module, memory = program.module, program.memory
        sizes = program.arguments, program.temporaries, program.code, memory
        operations = module.matrix_flops + module.other_operations
        work = [f"{operations / 1e9:,.1f}", f"{module.matrix_flops / operations:.0%}"]
        if module.has_unknown_loop:
            # The number of steps of a search depends on the data.
            work = ["-", "-"]
        row = [program.step.name, "{:,} x {:,}".format(*program.step.shape)]
        row += [f"{size / MIB:,.1f}" for size in sizes]
        rows.append([*row, f"{memory / check.topology.core_memory:.1%}", *work])
    columns = ["rows x tokens", "arguments MiB", "temporary MiB", "program MiB", "total MiB"]
    columns += ["of memory", "GFLOP", "in products"]
    console.table(
        "programs that compile and fit; memory and operations of one core",
        {"step": "left"} | dict.fromkeys(columns, "right"),
        rows,
        "GFLOP includes operations on integers, for example those of dropout's random bits",
    )


def _show_batch_sizes(check: Check) -> None:
    largest = check.largest_batch_size
    note = f"largest batch_size that fits: {largest}" if largest else "none of them fits"
    if largest and largest >= check.epoch_tokens:
        note += "; an epoch has no more tokens"
    rows = [
        [f"{size:,}", "doesn't fit" if memory is None else f"{memory / GIB:,.2f}"]
        for size, memory in sorted(check.batch_sizes.items())
    ]
    columns = dict.fromkeys(["batch_size", "GiB a core"], "right")
    console.table("training by batch_size (tokens a core)", columns, rows, note)


def _show_collectives(module: Module) -> None:
    times, sizes = Counter[str](), Counter[str]()
    for collective in module.collectives:
        times[collective.kind] += collective.times
        sizes[collective.kind] += collective.times * collective.bytes
    rows = [[kind, f"{times[kind]:,}", f"{sizes[kind] / 1e6:,.1f}"] for kind in times]
    columns = {"kind": "left", "times": "right", "MB": "right"}
    note = "MB: the results, on one core; data parallelism needs no collective but all-reduce"
    console.table("collectives of a training step", columns, rows or [["none", "0", "0.0"]], note)


def _show_waste(check: Check, program: Program) -> None:
    setup, unit, (_, length) = check.setup, check.topology.matrix_unit, program.step.shape
    fixes = matrix_unit.known_fixes(setup.hparams, setup.problem_hparams, length, unit)
    wastes = matrix_unit.find_waste(program.module.products, unit, fixes)
    title = f"products that leave a part of the {unit}-wide matrix unit idle"
    columns = dict.fromkeys(["m x k x n", "of the step", "used"], "right")
    rows = [
        [waste.layer, waste.size, f"{waste.share:.1%}", f"{waste.used:.0%}", waste.fix or "-"]
        for waste in wastes[:MAX_WASTES]
    ]
    title = title if wastes else f"no product wastes the {unit}-wide matrix unit"
    hidden = len(wastes) - len(rows)
    note = f"{hidden} with less waste not shown" if hidden else ""
    console.table(title, {"layer": "left", **columns, "fix": "left"}, rows, note)
