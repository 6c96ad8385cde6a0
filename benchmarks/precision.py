"""Compares the learning curves of float32 and bfloat16 products; see README.md.

It trains each problem in both precisions with several seeds, one run after the other, and writes
the losses on the dev set to a table. A run that ended is read, one that was killed goes on.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import statistics
import subprocess
import sys
from pathlib import Path

PRECISIONS = ("float32", "bfloat16")
COLUMNS = ("problem", "precision", "seed", "step", "loss")
# Sets as in docs/results.md; warm-ups and batches that fit a few hundred steps.
RUNS = {
    "poetry_line_problem": (
        "transformer_poetry",
        "batch_size=1024,learning_rate_warmup_steps=100,attention_dropout=0.1,"
        "layer_prepostprocess_dropout=0.1",
    ),
    "translate_ende_multi30k": (
        "transformer_multi30k",
        "batch_size=1024,learning_rate_warmup_steps=100",
    ),
    "g2p_g014b2b": ("transformer_g2p", "learning_rate_warmup_steps=100"),
}


def train(problem: str, precision: str, seed: int, steps: int, folder: Path, data: str) -> Path:
    """Trains or goes on, and returns the folder of the run."""
    hparams_set, hparams = RUNS[problem]
    output_dir = folder / f"{problem}-{precision}-{seed}"
    evaluations = read(output_dir)
    if not evaluations or evaluations[-1]["step"] < steps:
        flags = {
            "problem": problem,
            "data_dir": data,
            "output_dir": output_dir,
            "model": "transformer",
            "hparams_set": hparams_set,
            "hparams": hparams,
            "precision": precision,
            "random_seed": seed,
            "train_steps": steps,
            "local_eval_frequency": steps // 4,
            "eval_steps": 25,
            "keep_checkpoint_max": 1,
        }
        command = [sys.executable, "-m", "t2tlite", "trainer"]
        command += [f"--{name}={value}" for name, value in flags.items()]
        subprocess.run(command, check=True)
    return output_dir


def read(output_dir: Path) -> list[dict[str, float]]:
    """Returns the evaluations of a run, of each step one."""
    path = output_dir / "eval.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def compare(rows: list[tuple[str, str, int, int, float]], problem: str) -> str:
    """Returns how far the precisions and the seeds are apart, in one line."""
    losses: dict[tuple[int, str], list[float]] = {}
    for name, precision, _, step, loss in rows:
        if name == problem:
            losses.setdefault((step, precision), []).append(loss)
    steps = sorted({step for step, _ in losses})
    means = [[statistics.mean(losses[step, one]) for one in PRECISIONS] for step in steps]
    apart = max(abs(float32 - bfloat16) for float32, bfloat16 in means)
    spread = max(max(values) - min(values) for values in losses.values())
    last = " and ".join(f"{mean:.4f}" for mean in means[-1])
    return (
        f"{problem}: mean losses of the precisions are at most {apart:.4f} nats a token apart, "
        f"seeds of a precision {spread:.4f}; at step {steps[-1]} {last}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_dir", required=True, help="data of all problems, by t2t-datagen")
    parser.add_argument("--folder", required=True, help="gets a model folder for each run")
    parser.add_argument("--output", default="benchmarks/results/precision.tsv")
    parser.add_argument("--problems", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=400)
    arguments = parser.parse_args()
    rows: list[tuple[str, str, int, int, float]] = []
    for seed, problem, precision in itertools.product(
        arguments.seeds, arguments.problems, PRECISIONS
    ):
        run = (problem, precision, seed)
        done = train(*run, arguments.steps, Path(arguments.folder), arguments.data_dir)
        rows += [(*run, int(row["step"]), round(row["loss"], 5)) for row in read(done)]
    rows.sort()
    with open(arguments.output, "w", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows([COLUMNS, *rows])
    for problem in arguments.problems:
        print(compare(rows, problem))


if __name__ == "__main__":
    main()
