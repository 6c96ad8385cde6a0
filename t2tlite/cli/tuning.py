"""`t2t-trainer --hparams_range`: the flags of a hyperparameter search, and the search."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from t2tlite import libraries, registry
from t2tlite.cli import app
from t2tlite.config import HParams
from t2tlite.devices import cluster
from t2tlite.errors import DeviceError, OutputError
from t2tlite.metrics import OF_DECODING
from t2tlite.ranged_hparams import RangedHParams
from t2tlite.training.train_args import TrainArgs

FLAGS = flags.FLAGS

flags.DEFINE_string("hparams_range", "", "Search hparams: a registered range.")
flags.DEFINE_string("autotune_objective", "", "Metric to optimize: metrics-PROBLEM/NAME or loss.")
flags.DEFINE_bool(
    "autotune_maximize", None, "Whether higher is better; default: as the metric is meant."
)
flags.DEFINE_integer(
    "autotune_max_trials", 10, "Trials in total, earlier runs included.", 1, 1_000_000
)
flags.DEFINE_integer("autotune_parallel_trials", 1, "Trials to run at once.", 1, 1024)

# Flags that must not change when a search is resumed.
_FIXED = ["problem", "model", "hparams_set", "train_steps", "eval_steps"]
_FIXED += ["local_eval_frequency", "eval_use_test_set", "warm_start_from"]
_FIXED_IF_GIVEN = ["eval_decode", "decode_hparams"]


def tune(hparams: HParams, given: dict[str, Any], train_args: TrainArgs) -> None:
    """Searches hparams by trials of this command, and prints the best.

    Args:
      hparams: the hparams that the trials change.
      given: hparams that the command line sets, by name.
      train_args: of each trial.
    """
    _check_flags()
    # They import Optuna.
    from t2tlite.tune import results, search, space
    from t2tlite.tune import tune as search_loop

    ranged = RangedHParams()
    registry.ranged_hparams(FLAGS.hparams_range)(ranged)
    problem = registry.problem(FLAGS.problem)
    for split in ("train", train_args.eval_split):
        # Raises if there is no data.
        problem.shards(FLAGS.data_dir, split)
    metrics = [*problem.eval_metrics(), *(OF_DECODING if train_args.eval_decode else [])]
    objective, maximize = search.objective(
        FLAGS.autotune_objective, FLAGS.problem, metrics, FLAGS.autotune_maximize
    )
    extra_flags: list[str] = []
    if not train_args.stop_after_steps and not FLAGS["eval_early_stopping_metric"].present:
        # So that the checkpoint that a trial keeps as its best is the best by the objective.
        minimize = not maximize
        train_args = dataclasses.replace(train_args, stop_metric=objective, stop_minimize=minimize)
        extra_flags = [
            f"--eval_early_stopping_metric={objective}",
            f"--eval_early_stopping_metric_minimize={minimize}",
        ]
    dimensions = space.dimensions(ranged, hparams, given)
    hparams_search = search.Search(
        output_dir=Path(FLAGS.output_dir),
        dimensions=dimensions,
        given=given,
        objective=objective,
        maximize=maximize,
        max_trials=FLAGS.autotune_max_trials,
        parallel_trials=FLAGS.autotune_parallel_trials,
        train_args=train_args,
        description={
            **{f"--{name}": FLAGS[name].value for name in _FIXED},
            "hparams": hparams.values(),
            "--hparams_range": {name: list(values) for name, values in ranged.ranges.items()},
            "searched hparams": [dimension.name for dimension in dimensions],
            "--autotune_objective": objective,
            "--autotune_maximize": maximize,
            # Searches of earlier versions have none of them.
            **{f"--{name}": FLAGS[name].value or None for name in _FIXED_IF_GIVEN},
        },
    )
    command = functools.partial(_trial_command, extra_flags)
    trials, done = search_loop.tune(hparams_search, command, FLAGS.worker_gpu)
    if not done:
        raise SystemExit(130)
    if best := results.best(hparams_search, trials):
        for name, value in hparams_search.hparams(best.params).items():
            print(f"{name}\t{value}")


def _check_flags() -> None:
    """Raises if flags contradict each other, or Optuna isn't installed."""
    app.require("autotune_objective")
    if FLAGS.schedule not in ("continuous_train_and_eval", "train_and_evaluate"):
        raise app.UsageError(f"--schedule={FLAGS.schedule} and --hparams_range don't go together")
    if FLAGS.use_tpu and FLAGS.autotune_parallel_trials > 1:
        raise app.UsageError("a TPU runs one trial at a time; leave --autotune_parallel_trials out")
    if cluster.current().workers > 1:
        raise DeviceError(
            "TF_CONFIG names several machines, and a search runs on one; unset TF_CONFIG, or "
            "leave --hparams_range out"
        )
    if not libraries.is_installed("optuna"):
        raise OutputError(
            "--hparams_range needs Optuna; install it with: pip install 't2tlite[tune]'"
        )


def _trial_command(extra_flags: Sequence[str], folder: Path) -> Sequence[str]:
    """Returns a trial's command line: this process's with flags appended, which win."""
    code = "import sys; sys.argv[0] = 't2t-trainer'; from t2tlite.cli import trainer; trainer.run()"
    # -P keeps the current folder out of sys.path, as in the installed command.
    return [
        *(sys.executable, "-P", "-c", code, *sys.argv[1:], *extra_flags),
        "--hparams_range=",
        f"--output_dir={folder}",
        f"--hparams_json_path={folder / 'hparams.json'}",
        "--nogenerate_data",
    ]
