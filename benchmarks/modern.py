"""Trains the modern block and T2T's side by side, part by part; see README.md.

Each rung is a short training in this process on one thread: its losses on the dev set and the CPU
seconds of its steps, which other processes on the machine hardly change. A rung that is in the
results already isn't trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

COSINE = "constant*linear_warmup*single_cycle_cos_decay"
LINEAR = "constant*linear_warmup*linear_decay_to_zero"
ONE_MASK = "layer_prepostprocess_dropout_broadcast_dims=1"
TINY = "transformer_modern_tiny"
METRICS = ("loss", "accuracy_per_sequence")
# Of the problems with rules: batches and dropout.
RULES = "batch_size=1024,layer_prepostprocess_dropout=0.1,attention_dropout=0,relu_dropout=0"
# By problem: steps, warm-up, and for T2T's block and the modern one the set and what makes them
# equal in parameters, batches and dropout.
PROBLEMS = {
    "poetry_clean4k": (
        (300, 30),
        ("transformer_poetry_clean", ONE_MASK),
        (
            TINY,
            "filter_size=344,layer_prepostprocess_dropout=0.1,batch_size=1024,label_smoothing=0",
        ),
    ),
    "translate_ende_multi30k": (
        (200, 40),
        (
            "transformer_multi30k",
            f"{ONE_MASK},layer_prepostprocess_dropout=0.1,batch_size=1024",
        ),
        (
            TINY,
            "num_hidden_layers=4,filter_size=168,layer_prepostprocess_dropout=0.1,batch_size=1024",
        ),
    ),
    "inflect": (
        (400, 40),
        ("transformer_tiny", f"{ONE_MASK},{RULES}"),
        (TINY, f"filter_size=344,{RULES}"),
    ),
    "dyck_close": (
        (400, 40),
        ("transformer_tiny", f"{ONE_MASK},{RULES}"),
        (TINY, f"filter_size=344,{RULES}"),
    ),
}
UNTIED = "shared_embedding_and_softmax_weights=false"
# By rung: whether it is T2T's block, what it changes, the schedule, the learning rate. Where its
# name says so, the modern block has residual factors.
RUNGS = {
    "t2t": (True, "optimizer=adam", COSINE, 0.004),
    "t2t-2x": (True, "optimizer=adam", COSINE, 0.008),
    "t2t-muon": (True, "optimizer=muon", COSINE, 0.004),
    "modern": (False, "optimizer=adam", COSINE, 0.004),
    "modern-2x": (False, "optimizer=adam", COSINE, 0.008),
    "modern-post": (False, "optimizer=adam,post_norm=true", COSINE, 0.004),
    "modern-muon": (False, "optimizer=muon", COSINE, 0.004),
    "modern-muon-2x": (False, "optimizer=muon", COSINE, 0.008),
    "modern-muon-4x": (False, "optimizer=muon", COSINE, 0.016),
    "modern-muon-post": (False, "optimizer=muon,post_norm=true", COSINE, 0.004),
    "modern-muon-linear": (False, "optimizer=muon", LINEAR, 0.004),
    "modern-muon-2x-factors": (False, "optimizer=muon", COSINE, 0.008),
    "modern-muon-2x-factors-untied": (False, f"optimizer=muon,{UNTIED}", COSINE, 0.008),
    "modern-muon-2x-factors-gelu": (False, "optimizer=muon,ffn_activation=gelu", COSINE, 0.008),
    "modern-muon-2x-factors-kv1": (False, "optimizer=muon,num_kv_heads=1", COSINE, 0.008),
}


@dataclass(frozen=True)
class Rung:
    """A training of the ladder."""

    problem: str
    rung: str
    seed: int

    def settings(self) -> tuple[str, str, int]:
        """Returns the set, its changes and the number of steps."""
        (steps, warmup), t2t, modern = PROBLEMS[self.problem]
        is_t2t, changes, schedule, rate = RUNGS[self.rung]
        hparams_set, same = t2t if is_t2t else modern
        learning = (
            f"learning_rate_schedule={schedule},learning_rate_constant={rate},"
            f"learning_rate_warmup_steps={warmup}"
        )
        if not is_t2t:
            same += f",residual_factors={'-factors' in self.rung}"
        return hparams_set, ",".join(part for part in (same, learning, changes) if part), steps


def train(rung: Rung, data_dir: str, folder: Path, precision: str) -> dict[str, Any]:
    """Trains a rung; returns its settings and what was measured."""
    import math

    from t2tlite import registry
    from t2tlite.checkpoint.run_record import RunRecord
    from t2tlite.devices import devices
    from t2tlite.plugins import load_usr_dir
    from t2tlite.training.train import prepare
    from t2tlite.training.train_args import TrainArgs

    hparams_set, changes, steps = rung.settings()
    load_usr_dir(str(Path(__file__).with_name("rules")))
    hparams = registry.hparams(hparams_set).override(changes)
    hparams.activation_dtype = precision
    run = RunRecord.describe(rung.problem, "transformer", hparams, [])
    device = devices.choose()
    args = TrainArgs(
        train_steps=steps,
        eval_frequency=steps // (3 if steps == 300 else 4),
        eval_steps=0,
        seed=rung.seed,
    )
    setup = prepare(run, data_dir, str(folder), args, device)
    objective, optimizer = setup.make_objective()
    objective.compile(optimizer=optimizer, jit_compile=False)
    objective.make_train_function()
    batches = iter(device.distribute(setup.feed(0)))
    evaluations, seconds = [], []
    for step in range(1, steps + 1):
        began = time.process_time()
        objective.train_function(batches)
        seconds.append(time.process_time() - began)
        if step % args.eval_frequency == 0:
            found = setup.evaluate()
            evaluations.append([step, *(round(found[name], 4) for name in METRICS)])
    return {
        **asdict(rung),
        "hparams_set": hparams_set,
        "hparams": changes,
        "parameters": sum(math.prod(weight.shape) for weight in setup.network.trainable_weights),
        # The first steps compile.
        "cpu_ms_per_step": round(1e3 * sum(seconds[3:]) / len(seconds[3:]), 1),
        "evaluations": evaluations,
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Returns the results so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws the losses against CPU seconds, a panel for each problem."""
    import matplotlib
    from matplotlib.figure import Figure

    # Text stays text: the file is a tenth as large.
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "modern"
    problems = list(dict.fromkeys(row["problem"] for row in rows))
    figure = Figure(figsize=(5 * len(problems), 4), layout="constrained")
    panels = figure.subplots(1, len(problems), squeeze=False)[0]
    colours = dict(zip(RUNGS, matplotlib.colormaps["tab20"].colors[::-1], strict=False))
    for panel, problem in zip(panels, problems, strict=True):
        for row in rows:
            is_drawn = row["rung"] in RUNGS and row["cpu_ms_per_step"]
            if row["problem"] != problem or not is_drawn:
                continue
            rate = row["cpu_ms_per_step"] / 1e3
            points = [(step * rate, loss) for step, loss, _ in row["evaluations"]]
            label = row["rung"] if not row["seed"] else None
            style = "o-" if not row["seed"] else "o:"
            panel.plot(*zip(*points, strict=True), style, label=label, color=colours[row["rung"]])
        panel.set(title=problem, xlabel="CPU seconds of training steps", ylabel="dev loss, nats")
        panel.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the results as a table."""
    columns = ("problem", "rung", "seed", "parameters", "CPU ms a step", "steps", "loss", "exact")
    lines = [f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
    for row in rows:
        step, loss, exact = row["evaluations"][-1]
        cells = [row["problem"], row["rung"], row["seed"], f"{row['parameters']:,}"]
        cells += [row["cpu_ms_per_step"], step, f"{loss:.3f}", f"{exact:.3f}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data_dir", help="data of the problems, by t2t-datagen; without: no training"
    )
    parser.add_argument("--folder", default="modern-runs", help="for vocabularies")
    parser.add_argument("--output", default="benchmarks/results/modern.jsonl")
    parser.add_argument("--picture", default="docs/modern.svg")
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    parser.add_argument("--rungs", nargs="+", choices=list(RUNGS), default=list(RUNGS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    arguments = parser.parse_args()
    output = Path(arguments.output)
    if arguments.data_dir:
        # Before TensorFlow starts.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        import keras
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        ladder = [
            Rung(problem, rung, seed)
            for seed in arguments.seeds
            for problem in arguments.problems
            for rung in arguments.rungs
        ]
        for rung in ladder:
            if any(asdict(rung).items() <= row.items() for row in read(output)):
                continue
            keras.backend.clear_session()
            folder = Path(arguments.folder, f"{rung.problem}-{rung.rung}-{rung.seed}")
            row = train(rung, arguments.data_dir, folder, arguments.precision)
            with output.open("a") as file:
                file.write(json.dumps(row) + "\n")
    rows = read(output)
    draw(rows, Path(arguments.picture))
    print(table(rows))


if __name__ == "__main__":
    main()
