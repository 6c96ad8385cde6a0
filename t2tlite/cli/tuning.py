"""The flags of `t2t-trainer --hparams_range`, and what they do."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from t2tlite import registry
from t2tlite.cli import app
from t2tlite.config import HParams
from t2tlite.devices import cluster
from t2tlite.errors import DeviceError
from t2tlite.ranged_hparams import RangedHParams
from t2tlite.training.train_args import TrainArgs
from t2tlite.tune import results, search, space
from t2tlite.tune import tune as loop

FLAGS = flags.FLAGS

flags.DEFINE_string("hparams_range", "", "Search hparams: registered range of them.")
flags.DEFINE_string("autotune_objective", "", "Metric to optimize: metrics-PROBLEM/NAME or loss.")
flags.DEFINE_bool("autotune_maximize", True, "Whether higher is better.")
flags.DEFINE_integer("autotune_max_trials", 10, "Trials to make, earlier runs included.", 1)
flags.DEFINE_integer("autotune_parallel_trials", 1, "Trials to run at once here.", 1)


def tune(hparams: HParams, given: dict[str, Any], schedule: TrainArgs) -> None:
    """Searches hparams by trials of this very command.

    Args:
      hparams: those that all trials start from.
      given: what the command line changed in the set.
      schedule: of each trial.
    """
    _check_flags()
    ranged = RangedHParams()
    registry.ranged_hparams(FLAGS.hparams_range)(ranged)
    problem = registry.problem(FLAGS.problem)
    for split in ("train", schedule.eval_split):
        problem.shards(FLAGS.data_dir, split)
    objective = search.objective(
        FLAGS.autotune_objective, FLAGS.problem, problem.eval_metrics(), FLAGS.autotune_maximize
    )
    words: list[str] = []
    if not schedule.stop_after_steps and not FLAGS["eval_early_stopping_metric"].present:
        # The checkpoint that a trial keeps as its best is the one that counts for it.
        schedule = dataclasses.replace(
            schedule, stop_metric=objective, stop_minimize=not FLAGS.autotune_maximize
        )
        words = [
            f"--eval_early_stopping_metric={objective}",
            f"--eval_early_stopping_metric_minimize={not FLAGS.autotune_maximize}",
        ]
    dimensions = space.dimensions(ranged, hparams, given)
    wanted = search.Search(
        output_dir=Path(FLAGS.output_dir),
        dimensions=dimensions,
        given=given,
        objective=objective,
        maximize=FLAGS.autotune_maximize,
        max_trials=FLAGS.autotune_max_trials,
        parallel_trials=FLAGS.autotune_parallel_trials,
        schedule=schedule,
        description={
            "--problem": FLAGS.problem,
            "--model": FLAGS.model,
            "--hparams_set": FLAGS.hparams_set,
            "hparams": hparams.values(),
            "--hparams_range": {name: list(one) for name, one in ranged.ranges.items()},
            "searched hparams": [one.name for one in dimensions],
            "--autotune_objective": objective,
            "--autotune_maximize": FLAGS.autotune_maximize,
            "--train_steps": schedule.train_steps,
            "--local_eval_frequency": schedule.eval_frequency,
            "--eval_steps": schedule.eval_steps,
            "--eval_use_test_set": FLAGS.eval_use_test_set,
            "--warm_start_from": schedule.warm_start_from,
        },
    )
    trials, done = loop.tune(wanted, functools.partial(_command, words), FLAGS.worker_gpu)
    if not done:
        raise SystemExit(130)
    for name, value in results.best_hparams(wanted, trials).items():
        print(f"{name}\t{value}")


def _check_flags() -> None:
    """Raises where flags don't go together."""
    app.require("autotune_objective")
    if FLAGS.schedule in ("train", "evaluate"):
        raise app.UsageError(f"--schedule={FLAGS.schedule} and --hparams_range don't go together")
    if FLAGS.use_tpu and FLAGS.autotune_parallel_trials > 1:
        raise app.UsageError("a TPU runs one trial at a time; leave --autotune_parallel_trials out")
    if cluster.current().workers > 1:
        raise DeviceError(
            "TF_CONFIG makes machines share a training, and a search shares out trials: unset "
            "TF_CONFIG, and run this command on each machine with an --output_dir that all see"
        )


def _command(words: Sequence[str], folder: Path) -> Sequence[str]:
    """The command line of a trial: this one's, where the last of two equal flags counts."""
    code = "import sys; sys.argv[0] = 't2t-trainer'; from t2tlite.cli import trainer; trainer.run()"
    # -P: not with this folder on the path, which the installed command doesn't have either.
    return [
        *(sys.executable, "-P", "-c", code, *sys.argv[1:], *words),
        "--hparams_range=",
        f"--output_dir={folder}",
        f"--hparams_json_path={folder / 'hparams.json'}",
        "--nogenerate_data",
    ]
